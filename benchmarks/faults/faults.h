/* What journal.c keeps and calls.c asks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define HANDLES 4096

enum kind { OPEN, READ, WRITE, SIZE, SYNC, RENAME, LINK, UNLINK, RMDIR, MKDIR, CLOSE, SYMLINK, LOOK, LEAVE }; /* LOOK, LEAVE: OPEN, CLOSE of what is only read */
enum { CREATED = 1, EMPTIED = 2, WRITABLE = 4, FOLDER = 8 };

struct record { /* little-endian as the machine is; followed by both paths and the data */
    int64_t offset, result;
    uint32_t kind, flags, data;
    int32_t handle, error;
    uint16_t first, second;
    uint32_t spoiled;
} __attribute__((packed));

extern pthread_mutex_t faults_one; /* held for each call, with its record */
extern int faults_error;          /* the error of "fail" */
extern unsigned char faults_seen[HANDLES]; /* handles of what lies below the root */

#define REAL(type, name, ...) \
    static type (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

void faults_die(void);
int faults_placed(int folder, const char *name, char *out);
int faults_known(int handle);
const char *faults_fate(enum kind kind);
void faults_tell(struct record r, const char *first, const char *second, const void *data);
void faults_tell_written(int handle, int64_t offset, int64_t size, int error, int spoiled);
