// Admin tokens: 256 random bits as text, "herald_" before them. Only their digest is kept.
#pragma once

#include "base/secret.h"

#define TOKEN_TEXT_SIZE 72

void token_make(char text[TOKEN_TEXT_SIZE]); // wipe
void token_digest(struct str text, struct secret_digest *digest);
