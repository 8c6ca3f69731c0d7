// The files of certificates and keys: read with care for who else may read them, written whole or not at all.
#include "net/tls_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  (1024u * 1024)
#define PATH_MOST 4096

// As PostgreSQL has it: nobody else, or the group when root owns the file (as of Debian's ssl-cert).
static bool is_private(const struct stat *status) {
    return (status->st_mode & 077) == 0 || (status->st_uid == 0 && (status->st_mode & 037) == 0);
}

int tls_file_read(const char *path, bool secret, struct buf *bytes, struct err *err) {
    struct stat status;
    int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not make us wait
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_ABSENT, "there is no file %s", path)
                               : err_system(err, errno, "cannot open %s", path);
    if (fstat(fd, &status) != 0) {
        err_system(err, errno, "cannot read %s", path);
    } else if (!S_ISREG(status.st_mode)) {
        err_set(err, ERR_INVALID, "%s is not a regular file", path);
    } else if (status.st_size > (off_t)FILE_MAX) {
        err_set(err, ERR_LIMIT, "%s is longer than %u bytes", path, FILE_MAX);
    } else if (secret && !is_private(&status)) {
        err_set(err, ERR_INVALID, "others may read the key in %s: chmod 600 %s", path, path);
    } else if (buf_reserve(bytes, (size_t)status.st_size + 1) != 0) {
        err_set(err, ERR_MEMORY, "memory is out");
    } else {
        ssize_t got = 1;
        while (bytes->len < bytes->cap &&
               (got = read(fd, bytes->data + bytes->len, bytes->cap - bytes->len)) > 0)
            bytes->len += (size_t)got;
        rc = got < 0 ? err_system(err, errno, "cannot read %s", path) : 0;
    }
    close(fd);
    return rc;
}

static int write_all(int fd, struct str bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        bytes.ptr += put;
        bytes.len -= (size_t)put;
    }
    return fsync(fd);
}

// That a file has its name is written, too.
static void sync_directory(const char *path) {
    char directory[PATH_MOST];
    const char *slash = strrchr(path, '/');
    if (slash == NULL ||
        !str_copy((struct str){path, (size_t)(slash - path) + 1}, directory, sizeof directory))
        return;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

int tls_file_write(const char *path, unsigned mode, struct str bytes, struct err *err) {
    char fresh[PATH_MOST];
    int len = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof fresh)
        return err_set(err, ERR_INVALID, "%s: the path is too long", path);
    (void)unlink(fresh); // of an attempt that was interrupted
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return err_system(err, errno, "cannot write %s", fresh);
    bool written = fchmod(fd, mode) == 0 && write_all(fd, bytes) == 0;
    int why = errno;
    if (close(fd) != 0 && written) written = false, why = errno;
    if (written && rename(fresh, path) != 0) written = false, why = errno;
    if (written) {
        sync_directory(path);
        return 0;
    }
    (void)unlink(fresh);
    return err_system(err, why, "cannot write %s", path);
}
