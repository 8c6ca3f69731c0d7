// Writes docs/openapi.yaml: to the file that is named, or to standard output.
#include "gateway/gateway.h"

#include <stdio.h>

int main(int argc, char **argv) {
    struct buf text = {0};
    FILE *out = argc > 1 ? fopen(argv[1], "we") : stdout;
    if (out == NULL || gateway_openapi(&text) != 0) return 1;
    bool written = fwrite(text.data, 1, text.len, out) == text.len && fflush(out) == 0;
    buf_free(&text);
    return written ? 0 : 1;
}
