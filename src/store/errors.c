// SQLite's result codes, told to a person: cause and cure.
#include "store/internal.h"

#include <errno.h>
#include <string.h>

static const struct {
    int primary;
    enum err_code code;
    const char *sentence;
} causes[] = {
    {SQLITE_FULL, ERR_STORAGE, "the disk is full: free some space"},
    {SQLITE_NOTADB, ERR_STORAGE,
     "this is not a database of Herald: restore it from a backup, or move it away to start with an empty "
     "one"},
    {SQLITE_CORRUPT, ERR_STORAGE, "the database is damaged: stop heraldd and restore it from a backup"},
    {SQLITE_READONLY, ERR_STORAGE,
     "the database cannot be written: check its owner and mode, and that its disk is not mounted read-only"},
    {SQLITE_CANTOPEN, ERR_STORAGE,
     "the database cannot be opened: check the owner and mode of the file and its directory"},
    {SQLITE_PERM, ERR_STORAGE, "access to the database was denied: check its owner and mode"},
    {SQLITE_AUTH, ERR_STORAGE, "access to the database was denied: check its owner and mode"},
    {SQLITE_BUSY, ERR_BUSY, "the database is locked by another program: end that program"},
    {SQLITE_LOCKED, ERR_BUSY, "the database is locked by another program: end that program"},
    {SQLITE_PROTOCOL, ERR_BUSY, "the database stays locked by other programs: end them"},
    {SQLITE_NOMEM, ERR_MEMORY, "memory is out"},
    {SQLITE_IOERR, ERR_STORAGE, "the disk refused to read or write"},
};

int store_refused(const struct store *store, int rc, struct err *err) {
    int primary = rc & 0xff;
    int errnum = store->db ? sqlite3_system_errno(store->db) : 0;
    if (primary == SQLITE_IOERR && rc == SQLITE_IOERR_NOMEM) primary = SQLITE_NOMEM;
    // SQLite says "full" for one of the ways in which a disk has no room.
    if (primary == SQLITE_IOERR && (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG))
        primary = SQLITE_FULL;
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        if (causes[i].primary != primary) continue;
        if (primary == SQLITE_IOERR && errnum != 0)
            return err_set(err, causes[i].code, "%s: %s (%s/%s)", causes[i].sentence, strerrordesc_np(errnum),
                           store->directory, STORE_FILE);
        return err_set(err, causes[i].code, "%s (%s/%s)", causes[i].sentence, store->directory, STORE_FILE);
    }
    return err_set(err, ERR_STORAGE, "the database failed: %s, code %d (%s/%s)", sqlite3_errstr(rc), rc,
                   store->directory, STORE_FILE);
}
