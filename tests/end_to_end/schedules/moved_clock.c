/* Moves the clock of a program, and of all that it starts.
 *
 * The time of day that it reads is the real one plus as many nanoseconds as the file MOVED_CLOCK holds at that
 * moment (a 64-bit integer), so all programs see at once that the clock was moved. Clocks that only measure
 * durations, and times of files, stay real.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static const volatile int64_t *ahead;
static int (*wait_until)(sem_t *, const struct timespec *);
static int (*read_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("MOVED_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *held = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    wait_until = dlsym(RTLD_NEXT, "sem_timedwait");
    read_clock = dlsym(RTLD_NEXT, "clock_gettime");
    ahead = held == MAP_FAILED ? NULL : held;
}

static void add(struct timespec *moment, int64_t nanoseconds)
{
    int64_t sum = moment->tv_nsec + nanoseconds;
    int64_t rest = (sum % SECOND + SECOND) % SECOND;
    moment->tv_sec += (sum - rest) / SECOND;
    moment->tv_nsec = rest;
}

int clock_gettime(clockid_t clock, struct timespec *moment)
{
    int status = read_clock ? read_clock(clock, moment) : (int)syscall(SYS_clock_gettime, clock, moment);
    if (status == 0 && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        add(moment, *ahead);
    return status;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds)
        *seconds = now.tv_sec;
    return now.tv_sec;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec real = *until;
    if (ahead)
        add(&real, -*ahead);
    return wait_until(semaphore, &real);
}
