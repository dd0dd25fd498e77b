/* Loaded before libc (LD_PRELOAD): the wall clock that a process reads is off by the nanoseconds in a control file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL
/* Seconds since 1970 are more, and those of a monotonic clock fewer. */
#define LEAST_WALL_CLOCK_SECONDS 1000000000LL

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

int timespec_get(struct timespec *out, int base) {
    return clock_gettime(CLOCK_REALTIME, out) ? 0 : base;
}

/* Waits until a time of the wall clock: the kernel's is right, so the offset is taken back. */
static struct timespec right_time(const struct timespec *until) {
    struct timespec right = *until;
    if (offset_ns && right.tv_sec > LEAST_WALL_CLOCK_SECONDS) {
        int64_t ns = right.tv_sec * BILLION + right.tv_nsec - *offset_ns;
        right.tv_sec = ns / BILLION;
        right.tv_nsec = ns % BILLION;
    }
    return right;
}

typedef int posix_wait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
typedef int c11_wait(cnd_t *, mtx_t *, const struct timespec *);

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static posix_wait *real;
    struct timespec right = right_time(until);
    /* Without its version the dynamic linker names the one that was there before 2002. */
    if (!real) real = (posix_wait *)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real) real = (posix_wait *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    return real(condition, mutex, &right);
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    static c11_wait *real;
    struct timespec right = right_time(until);
    if (!real) real = (c11_wait *)dlsym(RTLD_NEXT, "cnd_timedwait");
    return real(condition, mutex, &right);
}
