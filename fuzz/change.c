// Changes: whatever is accepted is exactly what the encoder would have written.
#include "wire/change.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str bytes = {(const char *)data, size};
    struct change change;
    struct buf again = {0};
    if (change_decode(bytes, &change) == 0 &&
        (change_encode(&change, &again) || !str_equal(buf_str(&again), bytes)))
        abort();
    buf_free(&again);
    return 0;
}
