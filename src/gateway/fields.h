// The members of a JSON body, checked against a table: nothing unknown, nothing twice, of the right kind.
#pragma once

#include "gateway/call.h"
#include "wire/value.h"

struct field {
    const char *name;
    bool required;
    bool nullable;
    const struct value *value; // the outcome; NULL: it is not there
};

// False: has answered. The values live until the gate's parser is used again.
bool fields_read(struct call *call, struct field *fields, size_t count);
