/* A wall clock that a test moves, for one process, by LD_PRELOAD. The monotonic clock stays.
 *
 * MOVED_CLOCK   a file with one int64: nanoseconds that are added to the wall clock; mapped, and
 *               changed by the test while the process runs
 *
 * Waits until a moment of the wall clock follow it too, as in a kernel whose clock is set: each is
 * done in short pieces, and a piece that ends early is a spurious wake-up, which all callers expect.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define PIECE (SECOND / 20)
/* Deadlines before this moment (2001) are of the monotonic clock. */
#define WALL_CLOCK_SINCE (1000000000LL * SECOND)

static _Atomic int64_t *moved;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("MOVED_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *moved, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) moved = mapped;
    close(fd);
}

static int64_t offset(void) { return moved ? atomic_load(moved) : 0; }

static int64_t nanoseconds(const struct timespec *at) {
    return at->tv_sec * SECOND + at->tv_nsec;
}

static struct timespec moment(int64_t at) {
    return (struct timespec){.tv_sec = at / SECOND, .tv_nsec = at % SECOND};
}

static int is_wall_clock(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (!result && is_wall_clock(clock)) *now = moment(nanoseconds(now) + offset());
    return result;
}

static int64_t wall_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(&now);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone __attribute__((unused))) {
    int64_t at = wall_clock() / 1000;
    *now = (struct timeval){.tv_sec = at / 1000000, .tv_usec = at % 1000000};
    return 0;
}

time_t time(time_t *kept) {
    time_t now = wall_clock() / SECOND;
    if (kept) *kept = now;
    return now;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}

/* The real end of the next piece of a wait. Returns whether more pieces follow. */
static int piece(const struct timespec *deadline, struct timespec *end) {
    int64_t left = nanoseconds(deadline) - wall_clock();
    int64_t real_now = wall_clock() - offset();
    *end = moment(real_now + (left > PIECE ? PIECE : left));
    return left > PIECE;
}

static int follows(const struct timespec *deadline) {
    return moved && deadline && nanoseconds(deadline) >= WALL_CLOCK_SINCE;
}

int pthread_cond_timedwait(
    pthread_cond_t *restrict condition,
    pthread_mutex_t *restrict mutex,
    const struct timespec *restrict deadline
) {
    static __typeof__(&pthread_cond_timedwait) real;
    /* Without a version this is the one of LinuxThreads. */
    if (!real) *(void **)&real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec end;
    if (!follows(deadline)) return real(condition, mutex, deadline);
    int has_more = piece(deadline, &end);
    int result = real(condition, mutex, &end);
    return result == ETIMEDOUT && has_more ? 0 : result;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    REAL(sem_timedwait);
    if (!follows(deadline)) return real(semaphore, deadline);
    for (;;) {
        struct timespec end;
        int has_more = piece(deadline, &end);
        int result = real(semaphore, &end);
        if (!result || errno != ETIMEDOUT || !has_more) return result;
    }
}

/* gRPC waits by futexes of its own. */
long syscall(long number, ...) {
    REAL(syscall);
    long arguments[6];
    va_list given;
    va_start(given, number);
    for (int i = 0; i < 6; i++) arguments[i] = va_arg(given, long);
    va_end(given);
    int has_more = 0;
    struct timespec end;
    if (number == SYS_futex && arguments[1] & FUTEX_CLOCK_REALTIME) {
        const struct timespec *deadline = (const struct timespec *)arguments[3];
        if ((arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && follows(deadline)) {
            has_more = piece(deadline, &end);
            arguments[3] = (long)&end;
        }
    }
    long result = real(
        number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]
    );
    return result == -1 && errno == ETIMEDOUT && has_more ? 0 : result;
}
