/* Every call by which CPython, the C library and Rust change a disk, or read it. See journal.c. */
#include "faults.h"

#define CLONE_BLOCKS 0x40049409 /* FICLONE */

static struct { char *path; long renames; } opened_as[HANDLES]; /* where a file was opened for writing */
static long renames;

static int is(const char *fate, const char *word) { return !strcmp(fate, word); }

/* A call that changes names: journalled with its result, spoiled before or after. */
#define NAMES(KIND, FIRST, SECOND, CALL) \
    do { \
        pthread_mutex_lock(&faults_one); \
        const char *turn = faults_fate(KIND); \
        int result = -1, error = faults_error; \
        struct record r = {.kind = KIND, .spoiled = *turn != 0}; \
        if (is(turn, "before") || is(turn, "middle")) { r.result = -1; r.error = EINTR; faults_tell(r, FIRST, SECOND, NULL); faults_die(); } \
        if (!is(turn, "fail")) { result = (CALL); error = errno; } \
        r.result = result; r.error = result < 0 ? error : 0; \
        faults_tell(r, FIRST, SECOND, NULL); \
        if (is(turn, "after")) faults_die(); \
        pthread_mutex_unlock(&faults_one); \
        errno = error; \
        return result; \
    } while (0)

static int opened(int folder, const char *name, int flags, mode_t mode) {
    REAL(int, openat, int, const char *, int, ...);
    char path[PATH_MAX], link[64];
    if (!faults_placed(folder, name, path)) return real_openat(folder, name, flags, mode);
    pthread_mutex_lock(&faults_one);
    struct stat before, after;
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    enum kind kind = writes || (flags & O_CREAT) ? OPEN : LOOK;
    const char *turn = faults_fate(kind);
    int there = !fstatat(folder, name, &before, (flags & O_NOFOLLOW) ? AT_SYMLINK_NOFOLLOW : 0), result = -1, error = faults_error;
    struct record r = {.kind = kind, .spoiled = *turn != 0, .flags = writes ? WRITABLE : 0, .handle = -1, .result = -1};
    if (is(turn, "before") || is(turn, "middle")) { r.error = EINTR; faults_tell(r, path, NULL, NULL); faults_die(); }
    if (!is(turn, "fail")) { result = real_openat(folder, name, flags, mode); error = errno; }
    if (result >= 0 && result < HANDLES) {
        faults_seen[result] = 1;
        if (!fstat(result, &after) && S_ISDIR(after.st_mode)) r.flags |= FOLDER;
        snprintf(link, sizeof link, "/proc/self/fd/%d", result);
        ssize_t size = readlink(link, path, sizeof path - 1);
        if (size > 0) path[size] = 0;
        free(opened_as[result].path);
        opened_as[result].path = writes ? strdup(path) : NULL;
        opened_as[result].renames = renames;
        r.flags |= (!there && (flags & O_CREAT) ? CREATED : 0) | (writes && (flags & O_TRUNC) ? EMPTIED : 0);
    }
    r.handle = r.result = result;
    r.error = result < 0 ? error : 0;
    faults_tell(r, path, NULL, NULL);
    if (is(turn, "after")) faults_die();
    pthread_mutex_unlock(&faults_one);
    errno = error;
    return result;
}

#define OPENING(NAME, FOLDER_PARAMETER, FOLDER_GIVEN) \
    int NAME(FOLDER_PARAMETER const char *name, int flags, ...) { \
        mode_t mode = 0; \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
        return opened(FOLDER_GIVEN, name, flags, mode); \
    }
#define COMMA ,
OPENING(open, , AT_FDCWD)
OPENING(open64, , AT_FDCWD)
OPENING(openat, int folder COMMA, folder)
OPENING(openat64, int folder COMMA, folder)
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* A file that has another name now was renamed by a bare system call (as safetensors does it): into the journal with it. */
static void tell_renamed(int handle) {
    char link[64], now[PATH_MAX], *before = opened_as[handle].path;
    if (!before || opened_as[handle].renames != renames) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t size = readlink(link, now, sizeof now - 1);
    if (size <= 0) return;
    now[size] = 0;
    if (strcmp(before, now) && !strstr(now, " (deleted)")) faults_tell((struct record){.kind = RENAME}, before, now, NULL);
}

int close(int handle) {
    REAL(int, close, int);
    if (!faults_known(handle)) return real_close(handle);
    pthread_mutex_lock(&faults_one);
    tell_renamed(handle);
    enum kind kind = opened_as[handle].path ? CLOSE : LEAVE;
    const char *turn = faults_fate(kind);
    struct record r = {.kind = kind, .handle = handle, .spoiled = *turn != 0};
    faults_tell(r, NULL, NULL, NULL);
    if (is(turn, "before") || is(turn, "middle")) faults_die();
    faults_seen[handle] = 0;
    int result = real_close(handle), error = errno; /* also where it "fails": the handle is gone then, too */
    if (is(turn, "after")) faults_die();
    if (is(turn, "fail")) { result = -1; error = faults_error; }
    pthread_mutex_unlock(&faults_one);
    errno = error;
    return result;
}

/* A write of `size` bytes by CALL, which takes no more than `part` of them. */
#define WRITING(HANDLE, SIZE_GIVEN, OFFSET, CALL) \
    do { \
        pthread_mutex_lock(&faults_one); \
        const char *turn = faults_fate(WRITE); \
        size_t wanted = (SIZE_GIVEN), part = is(turn, "short") || is(turn, "middle") ? (wanted + 1) / 2 : wanted; \
        int64_t offset = (OFFSET), result = -1; \
        int error = faults_error; \
        if (is(turn, "before")) { faults_tell_written(HANDLE, offset, 0, EINTR, 1); faults_die(); } \
        if (!is(turn, "fail")) { result = (CALL); error = errno; } \
        faults_tell_written(HANDLE, offset, result, result < 0 ? error : 0, *turn != 0); \
        if (is(turn, "middle") || is(turn, "after")) faults_die(); \
        pthread_mutex_unlock(&faults_one); \
        errno = error; \
        return result; \
    } while (0)

static int64_t position(int handle) {
    struct stat found;
    if (fcntl(handle, F_GETFL) & O_APPEND) return fstat(handle, &found) ? 0 : found.st_size;
    return lseek(handle, 0, SEEK_CUR);
}

ssize_t write(int handle, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!faults_known(handle)) return real_write(handle, data, size);
    WRITING(handle, size, position(handle), real_write(handle, data, part));
}

ssize_t pwrite64(int handle, const void *data, size_t size, off64_t where) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    if (!faults_known(handle)) return real_pwrite64(handle, data, size, where);
    WRITING(handle, size, where, real_pwrite64(handle, data, part, where));
}
ssize_t pwrite(int handle, const void *data, size_t size, off_t where) { return pwrite64(handle, data, size, where); }

static size_t total(const struct iovec *parts, int number) {
    size_t found = 0;
    for (int i = 0; i < number; i++) found += parts[i].iov_len;
    return found;
}

/* Several buffers at once; a shortened one writes the first buffer, or half of the only one. */
static ssize_t shortened(int handle, const struct iovec *parts, int number, size_t part, int64_t where) {
    REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
    REAL(ssize_t, writev, int, const struct iovec *, int);
    struct iovec first = parts[0];
    if (part < total(parts, number)) {
        if (first.iov_len > part) first.iov_len = part;
        parts = &first;
        number = 1;
    }
    return where < 0 ? real_writev(handle, parts, number) : real_pwritev64(handle, parts, number, where);
}

ssize_t writev(int handle, const struct iovec *parts, int number) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (!faults_known(handle)) return real_writev(handle, parts, number);
    WRITING(handle, total(parts, number), position(handle), shortened(handle, parts, number, part, -1));
}

ssize_t pwritev64(int handle, const struct iovec *parts, int number, off64_t where) {
    REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
    if (!faults_known(handle)) return real_pwritev64(handle, parts, number, where);
    WRITING(handle, total(parts, number), where, shortened(handle, parts, number, part, where));
}
ssize_t pwritev(int handle, const struct iovec *parts, int number, off_t where) { return pwritev64(handle, parts, number, where); }

ssize_t copy_file_range(int from, off64_t *begin, int to, off64_t *where, size_t size, unsigned flags) {
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!faults_known(to)) return real_copy_file_range(from, begin, to, where, size, flags);
    WRITING(to, size, where ? *where : position(to), real_copy_file_range(from, begin, to, where, part, flags));
}

ssize_t sendfile64(int to, int from, off64_t *begin, size_t size) {
    REAL(ssize_t, sendfile64, int, int, off64_t *, size_t);
    if (!faults_known(to)) return real_sendfile64(to, from, begin, size);
    WRITING(to, size, position(to), real_sendfile64(to, from, begin, part));
}
ssize_t sendfile(int to, int from, off_t *begin, size_t size) { return sendfile64(to, from, begin, size); }

int ioctl(int handle, unsigned long request, ...) {
    REAL(int, ioctl, int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *given = va_arg(rest, void *);
    va_end(rest);
    if (request != CLONE_BLOCKS || !faults_known(handle)) return real_ioctl(handle, request, given);
    pthread_mutex_lock(&faults_one);
    const char *turn = faults_fate(WRITE);
    struct stat found = {0};
    int result = -1, error = faults_error;
    if (is(turn, "before") || is(turn, "middle")) { faults_tell_written(handle, 0, 0, EINTR, 1); faults_die(); }
    if (!is(turn, "fail")) { result = real_ioctl(handle, request, given); error = errno; }
    if (!result) fstat(handle, &found);
    faults_tell_written(handle, 0, result ? -1 : found.st_size, result ? error : 0, *turn != 0);
    if (is(turn, "after")) faults_die();
    pthread_mutex_unlock(&faults_one);
    errno = error;
    return result;
}

/* A call on an open file with a result of 0 and no data of its own. */
#define ON_HANDLE(KIND, OFFSET, CALL) \
    do { \
        pthread_mutex_lock(&faults_one); \
        const char *turn = faults_fate(KIND); \
        int result = -1, error = faults_error; \
        struct record r = {.kind = KIND, .handle = handle, .offset = (OFFSET), .result = -1, .spoiled = *turn != 0}; \
        if (is(turn, "before") || is(turn, "middle")) { r.error = EINTR; faults_tell(r, NULL, NULL, NULL); faults_die(); } \
        if (!is(turn, "fail")) { result = (CALL); error = errno; } \
        r.result = result; r.error = result < 0 ? error : 0; \
        faults_tell(r, NULL, NULL, NULL); \
        if (is(turn, "after")) faults_die(); \
        pthread_mutex_unlock(&faults_one); \
        errno = error; \
        return result; \
    } while (0)

int ftruncate64(int handle, off64_t size) {
    REAL(int, ftruncate64, int, off64_t);
    if (!faults_known(handle)) return real_ftruncate64(handle, size);
    ON_HANDLE(SIZE, size, real_ftruncate64(handle, size));
}
int ftruncate(int handle, off_t size) { return ftruncate64(handle, size); }

int fsync(int handle) {
    REAL(int, fsync, int);
    if (!faults_known(handle)) return real_fsync(handle);
    ON_HANDLE(SYNC, 0, 0); /* the journal knows what was to be durable; waiting for a real disk would only take time */
}
int fdatasync(int handle) {
    REAL(int, fdatasync, int);
    return faults_known(handle) ? fsync(handle) : real_fdatasync(handle);
}

/* Reads fail or come short; they are counted and journalled without their data. */
#define READING(SIZE_GIVEN, CALL) \
    do { \
        pthread_mutex_lock(&faults_one); \
        const char *turn = faults_fate(READ); \
        size_t part = is(turn, "short") ? ((SIZE_GIVEN) + 1) / 2 : (SIZE_GIVEN); \
        ssize_t result = -1; \
        int error = faults_error; \
        struct record r = {.kind = READ, .handle = handle, .spoiled = *turn != 0}; \
        if (!is(turn, "fail")) { result = (CALL); error = errno; } \
        r.result = result; r.error = result < 0 ? error : 0; \
        faults_tell(r, NULL, NULL, NULL); \
        pthread_mutex_unlock(&faults_one); \
        errno = error; \
        return result; \
    } while (0)

ssize_t read(int handle, void *data, size_t size) {
    REAL(ssize_t, read, int, void *, size_t);
    if (!faults_known(handle)) return real_read(handle, data, size);
    READING(size, real_read(handle, data, part));
}
ssize_t pread64(int handle, void *data, size_t size, off64_t where) {
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    if (!faults_known(handle)) return real_pread64(handle, data, size, where);
    READING(size, real_pread64(handle, data, part, where));
}
ssize_t preadv64(int handle, const struct iovec *parts, int number, off64_t where) {
    REAL(ssize_t, preadv64, int, const struct iovec *, int, off64_t);
    if (!faults_known(handle)) return real_preadv64(handle, parts, number, where);
    struct iovec first = parts[0];
    READING(total(parts, number),
            part < total(parts, number)
                ? (first.iov_len = first.iov_len > part ? part : first.iov_len, real_preadv64(handle, &first, 1, where))
                : real_preadv64(handle, parts, number, where));
}
ssize_t preadv(int handle, const struct iovec *parts, int number, off_t where) { return preadv64(handle, parts, number, where); }

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned);
    char first[PATH_MAX], second[PATH_MAX];
    if (!faults_placed(from, old, first) || !faults_placed(to, new, second)) return real_renameat2(from, old, to, new, flags);
    renames++;
    NAMES(RENAME, first, second, real_renameat2(from, old, to, new, flags));
}
int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    char first[PATH_MAX], second[PATH_MAX];
    if (!faults_placed(to, new, second)) return real_linkat(from, old, to, new, flags);
    faults_placed(from, old, first);
    NAMES(LINK, first, second, real_linkat(from, old, to, new, flags));
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int symlinkat(const char *text, int to, const char *new) {
    REAL(int, symlinkat, const char *, int, const char *);
    char second[PATH_MAX];
    if (!faults_placed(to, new, second)) return real_symlinkat(text, to, new);
    NAMES(SYMLINK, text, second, real_symlinkat(text, to, new));
}
int symlink(const char *text, const char *new) { return symlinkat(text, AT_FDCWD, new); }

int unlinkat(int folder, const char *name, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    char first[PATH_MAX];
    if (!faults_placed(folder, name, first)) return real_unlinkat(folder, name, flags);
    if (flags & AT_REMOVEDIR) NAMES(RMDIR, first, NULL, real_unlinkat(folder, name, flags));
    NAMES(UNLINK, first, NULL, real_unlinkat(folder, name, flags));
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    REAL(int, mkdirat, int, const char *, mode_t);
    char first[PATH_MAX];
    if (!faults_placed(folder, name, first)) return real_mkdirat(folder, name, mode);
    NAMES(MKDIR, first, NULL, real_mkdirat(folder, name, mode));
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* Rust calls some of them by their numbers. */
long syscall(long number, ...) {
    REAL(long, syscall, long, ...);
    va_list rest;
    long a[6];
    va_start(rest, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
    va_end(rest);
    switch (number) {
#ifdef SYS_renameat
    case SYS_renameat: return renameat2((int)a[0], (char *)a[1], (int)a[2], (char *)a[3], 0);
#endif
    case SYS_renameat2: return renameat2((int)a[0], (char *)a[1], (int)a[2], (char *)a[3], (unsigned)a[4]);
    case SYS_linkat: return linkat((int)a[0], (char *)a[1], (int)a[2], (char *)a[3], (int)a[4]);
    case SYS_unlinkat: return unlinkat((int)a[0], (char *)a[1], (int)a[2]);
    case SYS_mkdirat: return mkdirat((int)a[0], (char *)a[1], (mode_t)a[2]);
    }
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
