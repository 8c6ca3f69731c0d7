// Changes: whatever is accepted is exactly what the encoder would have written.
#include "wire/change.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str bytes = {(const char *)data, size};
    struct change change;
    struct buf again = {0};
    if (change_decode(bytes, &change) == 0) {
        if (change_encode(&change, &again) != 0 || !str_equal(buf_str(&again), bytes)) abort();
        if (change.value.len > CHANGE_VALUE_MAX) abort();
        // What applying relies on.
        bool setting = change.kind == CHANGE_SETTING_PUT || change.kind == CHANGE_SETTING_DELETE;
        if (setting != setting_key_valid(str_of(change.setting))) abort();
        if (change.kind == CHANGE_CREATE && !(change.login.name[0] && change.login.fold[0])) abort();
        if (change.kind == CHANGE_MODIFY && (change.sets < 1 || change.sets > 7)) abort();
    }
    buf_free(&again);
    return 0;
}
