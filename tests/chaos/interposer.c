/* Loaded before libc (LD_PRELOAD): the clock that a process reads is off, or its disk is full, as a control file says.
   The file holds two numbers of 64 bits: nanoseconds to add to the wall clock; 1 while the disk is full.
   Only files below $CHAOS_FULL_FOLDER know a full disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL
#define NEXT(name) (real_##name ? real_##name : (real_##name = dlsym(RTLD_NEXT, #name)))

static volatile int64_t *control;
static const char *full_folder;

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("CHAOS_CONTROL_FILE");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    full_folder = getenv("CHAOS_FULL_FOLDER");
    if (file < 0) return;
    void *mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(file);
}

static int64_t wall_clock_ns(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return now.tv_sec * BILLION + now.tv_nsec + (control ? control[0] : 0);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return (int)syscall(SYS_clock_gettime, clock, out);
    int64_t now = wall_clock_ns();
    out->tv_sec = now / BILLION;
    out->tv_nsec = now % BILLION;
    return 0;
}

int gettimeofday(struct timeval *out, void *zone) {
    (void)zone;
    int64_t now = wall_clock_ns();
    out->tv_sec = now / BILLION;
    out->tv_usec = now % BILLION / 1000;
    return 0;
}

time_t time(time_t *out) {
    time_t now = wall_clock_ns() / BILLION;
    if (out) *out = now;
    return now;
}

static int is_full(int file) {
    if (!control || !control[1] || !full_folder) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (strncmp(path, full_folder, strlen(full_folder))) return 0;
    errno = ENOSPC;
    return 1;
}

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_posix_fallocate)(int, off_t, off_t);

ssize_t write(int file, const void *data, size_t size) {
    return is_full(file) ? -1 : NEXT(write)(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return is_full(file) ? -1 : NEXT(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return is_full(file) ? -1 : NEXT(pwrite64)(file, data, size, at);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return is_full(file) ? -1 : NEXT(writev)(file, parts, count);
}
int posix_fallocate(int file, off_t from, off_t size) {
    return is_full(file) ? ENOSPC : NEXT(posix_fallocate)(file, from, size);
}
