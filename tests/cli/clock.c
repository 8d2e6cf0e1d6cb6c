/* Preloaded into a process, the wall clock jumps a month ahead and back several times a second; steady clocks do not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);

static int jumping(clockid_t clock, struct timespec *at) {
    struct timespec steady;
    int status;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    status = real(clock, at);
    if (status == 0 && clock == CLOCK_REALTIME) {
        real(CLOCK_MONOTONIC, &steady);
        at->tv_sec += ((steady.tv_nsec / 70000000L) % 3 - 1) * 30L * 86400L;
    }
    return status;
}

int clock_gettime(clockid_t clock, struct timespec *at) { return jumping(clock, at); }

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec found;
    int status = jumping(CLOCK_REALTIME, &found);
    (void)zone;
    at->tv_sec = found.tv_sec;
    at->tv_usec = found.tv_nsec / 1000;
    return status;
}

time_t time(time_t *at) {
    struct timespec found;
    jumping(CLOCK_REALTIME, &found);
    if (at) *at = found.tv_sec;
    return found.tv_sec;
}
