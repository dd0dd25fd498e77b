/* Loaded before libc (LD_PRELOAD): the wall clock that a process reads is off by the nanoseconds in a control file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL

static volatile int64_t *offset_ns;

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("CHAOS_CONTROL_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) offset_ns = mapped;
    close(file);
}

static int64_t wall_clock_ns(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return now.tv_sec * BILLION + now.tv_nsec + (offset_ns ? *offset_ns : 0);
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
