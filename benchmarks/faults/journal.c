/* A layer between a process and the C library that counts, journals and spoils its changes of a disk.
 *
 * Preloaded (LD_PRELOAD) by benchmarks/storm_below.py. Nothing happens before faults_arm() has read, from the environment,
 *   FAULTS_ROOT     the folder below which calls are seen; all others pass
 *   FAULTS_JOURNAL  a file outside of it: one record for each call, see struct record
 *   FAULTS_CALLS    kinds of calls that are counted, as a mask of 1 << kind
 *   FAULTS_AT       which of them is spoiled, from 1
 *   FAULTS_HOW      fail, short, before, middle, after: an error, half of a write, and SIGKILL on either side or half way
 *   FAULTS_ERRNO    the error of "fail"
 *   FAULTS_THEN     kinds of calls that are spoiled likewise ever after
 * Where a journal is named when the library is loaded, it is armed at once.
 *
 * Calls are made one after the other, so that the order of the journal is that of the disk.
 */
#include "faults.h"

#define HIGH 3000 /* the journal's own handle lies above what programs take */

pthread_mutex_t faults_one = PTHREAD_MUTEX_INITIALIZER;
unsigned char faults_seen[HANDLES];
int faults_error;
static char root[PATH_MAX], how[16];
static int armed, journal = -1;
static long at, count;
static unsigned long counted, then;

void faults_arm(void) {
    const char *value = getenv("FAULTS_ROOT"), *file = getenv("FAULTS_JOURNAL");
    if (!value || !file || !realpath(value, root)) return;
    int handle = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (handle < 0) _exit(97);
    journal = fcntl(handle, F_DUPFD_CLOEXEC, HIGH);
    if (journal < 0) journal = handle; /* few handles are allowed here */
    else syscall(SYS_close, handle);
    counted = strtoul((value = getenv("FAULTS_CALLS")) ? value : "0", NULL, 10);
    then = strtoul((value = getenv("FAULTS_THEN")) ? value : "0", NULL, 10);
    at = atol((value = getenv("FAULTS_AT")) ? value : "0");
    faults_error = atoi((value = getenv("FAULTS_ERRNO")) ? value : "5");
    snprintf(how, sizeof how, "%s", (value = getenv("FAULTS_HOW")) ? value : "");
    count = 0;
    armed = 1;
}

__attribute__((constructor)) static void begin(void) {
    if (getenv("FAULTS_JOURNAL")) faults_arm();
}

void faults_die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Write the whole path of a name into `out`; returns whether it lies below the root. Its last part is not followed. */
int faults_placed(int folder, const char *name, char *out) {
    char whole[PATH_MAX], parent[PATH_MAX], link[64];
    size_t length = strlen(root);
    if (!armed || !name || !*name) return 0;
    if (*name == '/') {
        snprintf(whole, sizeof whole, "%s", name);
    } else {
        ssize_t size;
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        if ((size = readlink(link, whole, sizeof whole - 1)) < 0) return 0;
        snprintf(whole + size, sizeof whole - size, "/%s", name);
    }
    size_t end = strlen(whole);
    while (end > 1 && whole[end - 1] == '/') whole[--end] = 0;
    char *last = strrchr(whole, '/');
    if (!strcmp(last, "/.") || !strcmp(last, "/..")) {
        if (!realpath(whole, out)) return 0;
    } else {
        *last = 0;
        if (!realpath(*whole ? whole : "/", parent)) return 0;
        if (snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", last + 1) >= PATH_MAX) return 0;
    }
    return !strncmp(out, root, length) && (out[length] == '/' || !out[length]);
}

int faults_known(int handle) { return armed && handle >= 0 && handle < HANDLES && faults_seen[handle]; }

/* What is to be done with this call: "" to let it pass. */
const char *faults_fate(enum kind kind) {
    int mine = (counted >> kind) & 1;
    count += mine;
    if (mine && at && count == at) return how;
    if (at && count >= at && ((then >> kind) & 1)) return how;
    return "";
}

void faults_tell(struct record r, const char *first, const char *second, const void *data) {
    char head[sizeof r + 2 * PATH_MAX];
    r.first = first ? (uint16_t)strlen(first) : 0;
    r.second = second ? (uint16_t)strlen(second) : 0;
    memcpy(head, &r, sizeof r);
    if (first) memcpy(head + sizeof r, first, r.first);
    if (second) memcpy(head + sizeof r + r.first, second, r.second);
    struct iovec parts[2] = {{head, sizeof r + r.first + r.second}, {(void *)data, r.data}};
    if (syscall(SYS_writev, journal, parts, 2) != (long)(parts[0].iov_len + parts[1].iov_len)) _exit(98);
}

/* Journal bytes that were just written, as the disk has them now. */
void faults_tell_written(int handle, int64_t offset, int64_t size, int error, int spoiled) {
    char link[64], *data = malloc(size > 0 ? size : 1);
    int64_t got = 0;
    if (size > 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
        int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
        if (again < 0 || !data) _exit(96);
        while (got < size) {
            long part = syscall(SYS_pread64, again, data + got, size - got, offset + got);
            if (part <= 0) _exit(96);
            got += part;
        }
        syscall(SYS_close, again);
    }
    struct record r = {.kind = WRITE, .handle = handle, .offset = offset, .result = size, .error = error,
                       .data = (uint32_t)got, .spoiled = spoiled};
    faults_tell(r, NULL, NULL, data);
    free(data);
}

