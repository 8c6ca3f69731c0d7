// Files that heraldd is given: herald.conf and the secret.

#include "base/secret.h"
#include "daemon/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read(const char *path, size_t max, struct buf *bytes, mode_t *mode, struct err *err) {
    struct stat status;
    int rc = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not make us wait
    if (fd < 0) return err_system(err, errno, "cannot open %s", path);
    if (fstat(fd, &status) != 0) {
        err_system(err, errno, "cannot read %s", path);
    } else if (!S_ISREG(status.st_mode)) {
        err_set(err, ERR_INVALID, "%s is not a regular file", path);
    } else {
        *mode = status.st_mode;
        ssize_t got = 1;
        while (got > 0 && bytes->len <= max && buf_reserve(bytes, 4096) == 0) {
            got = read(fd, bytes->data + bytes->len, 4096);
            if (got > 0) bytes->len += (size_t)got;
        }
        if (got < 0)
            err_system(err, errno, "cannot read %s", path);
        else if (got > 0)
            err_set(err, ERR_LIMIT, "%s is longer than %zu bytes", path, max);
        else
            rc = 0;
    }
    close(fd);
    return rc;
}

int secret_file_read(struct config *config, struct err *err) {
    const char *path = config->secret_file;
    struct buf bytes = {0};
    mode_t mode;
    int rc = file_read(path, SETTINGS_SECRET_MAX + 2, &bytes, &mode, err);
    if (rc != 0) goto out;
    rc = -1;
    if (mode & 077) {
        err_set(err, ERR_INVALID, "others may read the secret in %s: chmod 600 %s", path, path);
        goto out;
    }
    struct str text = buf_str(&bytes);
    if (text.len > 0 && text.ptr[text.len - 1] == '\n') text.len--;
    if (text.len > 0 && text.ptr[text.len - 1] == '\r') text.len--;
    if (text.len == 0 || memchr(text.ptr, '\0', text.len) || option_set(config, OPTION_secret, text) != 0)
        err_set(err, ERR_INVALID, "%s must hold one line of UTF-8, 1 to %d bytes", path, SETTINGS_SECRET_MAX);
    else
        rc = 0;
out:
    buf_wipe(&bytes);
    return rc;
}
