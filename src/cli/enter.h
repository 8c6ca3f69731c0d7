// The commands that are about an account: register, login, logout.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

#include <stdbool.h>

enum outcome enter_register(struct wish *wish);
enum outcome enter_login(struct wish *wish);
enum outcome enter_logout(struct wish *wish);

// Keeps the wish's secret if that is wished. False: it was said why it could not be.
bool enter_save(const struct wish *wish);

// Without a command, a user without a secret, given or saved, is registered first (seed 004's client).
bool enter_registers(struct wish *wish);
