// Files of the user's own.
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *home(void) {
    const char *home = getenv("HOME");
    if (home && home[0] == '/') return home;
    const struct passwd *entry = getpwuid(getuid());
    return entry && entry->pw_dir && entry->pw_dir[0] == '/' ? entry->pw_dir : NULL;
}

static int make_directories(char *path, struct err *err) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST;
        if (failed) err_system(err, errno, "cannot make %s", path);
        *slash = '/';
        if (failed) return -1;
    }
    return 0;
}

static int place(const char *variable, const char *fallback, const char *name, int make, char path[PLACE_MAX],
                 struct err *err) {
    const char *base = getenv(variable);
    int len = -1;
    if (base && base[0] == '/')
        len = snprintf(path, PLACE_MAX, "%s/herald/%s", base, name);
    else if (home())
        len = snprintf(path, PLACE_MAX, "%s/%s/herald/%s", home(), fallback, name);
    if (len < 0) return err_set(err, ERR_ABSENT, "there is no home directory; set HOME");
    if (len >= PLACE_MAX) return err_set(err, ERR_INVALID, "the path of the home directory is too long");
    return make ? make_directories(path, err) : 0;
}

int place_config(const char *name, int make, char path[PLACE_MAX], struct err *err) {
    return place("XDG_CONFIG_HOME", ".config", name, make, path, err);
}
int place_state(const char *name, int make, char path[PLACE_MAX], struct err *err) {
    return place("XDG_STATE_HOME", ".local/state", name, make, path, err);
}

static int check_mode(int fd, const char *path, struct err *err) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) return err_system(err, errno, "cannot look at %s", path);
    if (!S_ISREG(stat.st_mode) || !(stat.st_mode & 077))
        return 0; // a pipe is as private as its maker makes it
    return err_set(err, ERR_INVALID, "others can read %s; do: chmod 600 %s", path, path);
}

int place_read(const char *path, size_t most, int secret, struct buf *out, struct err *err) {
    size_t start = out->len;
    int status = -1, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return err_set(err, ERR_ABSENT, "there is no file %s", path);
    if (fd < 0) return err_system(err, errno, "cannot read %s", path);
    if (secret && check_mode(fd, path, err)) goto out;
    for (;;) {
        if (buf_reserve(out, 4096)) {
            err_set(err, ERR_MEMORY, "memory is out");
            goto out;
        }
        ssize_t got = read(fd, out->data + out->len, out->cap - out->len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) err_system(err, errno, "cannot read %s", path);
        if (got <= 0) {
            status = (int)got;
            break;
        }
        out->len += (size_t)got;
        if (out->len - start <= most) continue;
        err_set(err, ERR_INVALID, "%s is longer than %zu bytes", path, most);
        break;
    }
out:
    if (status) buf_truncate(out, start);
    close(fd);
    return status;
}

static int replace(const char *path, struct str text, bool durable, struct err *err) {
    char next[PLACE_MAX + 8];
    snprintf(next, sizeof next, "%s.XXXXXX", path);
    int fd = mkostemp(next, O_CLOEXEC); // mode 0600
    if (fd < 0) return err_system(err, errno, "cannot write beside %s", path);
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) break;
        text.ptr += written;
        text.len -= (size_t)written;
    }
    int failed = text.len > 0 || (durable && fsync(fd) != 0) ? errno : 0;
    if (close(fd) != 0 && !failed) failed = errno;
    if (!failed && rename(next, path) != 0) failed = errno;
    if (!failed) return 0;
    unlink(next);
    return err_system(err, failed, "cannot write %s", path);
}

int place_write(const char *path, struct str text, struct err *err) {
    return replace(path, text, true, err);
}
int place_note(const char *path, struct str text, struct err *err) {
    return replace(path, text, false, err);
}

int place_lock(const char *path, struct err *err) {
    char beside[PLACE_MAX + 8];
    snprintf(beside, sizeof beside, "%s.lock", path);
    int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0) return fd;
    err_system(err, errno, "cannot lock %s", beside);
    if (fd >= 0) close(fd);
    return -1;
}
