// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "work.h"

#define PAGE 4096L
/* Address space for memory that is taken; only pages that were written use memory. */
#define MAX_TAKEN (256L * 1024 * MIB)
/* A burner works for a part of each such time, in seconds. */
#define PERIOD 0.1
/* All memory that is taken is written again within so many seconds, as memory in use is. */
#define USE_SECONDS 10.0
/* A worker that was kept waiting for longer makes up for so many seconds only. */
#define MAX_LATE 0.5

double now(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void wait_until(double moment)
{
    double left = moment - now(CLOCK_MONOTONIC);
    struct timespec pause = { (time_t)left, (long)((left - (time_t)left) * 1e9) };

    if (left > 0)
        nanosleep(&pause, NULL);
}

/* Uses a CPU until this process has had `seconds` more of it, or the moment has come. */
static void burn(double seconds, double moment)
{
    double enough = now(CLOCK_PROCESS_CPUTIME_ID) + seconds;

    while (now(CLOCK_PROCESS_CPUTIME_ID) < enough && now(CLOCK_MONOTONIC) < moment)
        for (volatile int i = 0; i < 20000; i++)
            ;
}

void run_burner(long percent)
{
    for (double end = now(CLOCK_MONOTONIC);;) {
        end += PERIOD;
        burn(PERIOD * percent / 100, end);
        wait_until(end);
        if (now(CLOCK_MONOTONIC) > end + MAX_LATE)
            end = now(CLOCK_MONOTONIC);
    }
}

static char *address_space(long bytes)
{
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (start == MAP_FAILED)
        _exit(2);
    /* In pieces of 2 MiB: without KVM a guest takes too long for 200 MiB of single pages. */
    madvise(start, bytes, MADV_HUGEPAGE);
    return start;
}

static void write_pages(char *start, long from, long until)
{
    for (long page = from; page < until; page++)
        start[page * PAGE] = (char)(page | 1);
}

/* Takes or frees memory towards what is wanted, `most` pages of it; returns the pages it has. */
static long take_or_free(struct shared *shared, char *start, long taken, long wanted, long most)
{
    if (taken > wanted) {
        long until = taken - wanted > most ? taken - most : wanted;

        madvise(start + until * PAGE, (taken - until) * PAGE, MADV_DONTNEED);
        taken = until;
    }
    for (long until = wanted - taken > most ? taken + most : wanted; taken < until;) {
        long next = until - taken > MIB / PAGE ? taken + MIB / PAGE : until;

        write_pages(start, taken, next);
        taken = next;
        shared->taken_mib = taken * PAGE / MIB;
    }
    shared->taken_mib = taken * PAGE / MIB;
    return taken;
}

void run_memory(struct shared *shared)
{
    char *start = address_space(MAX_TAKEN);
    long taken = 0, used = 0;
    double last = now(CLOCK_MONOTONIC), due = 0;

    for (;;) {
        double at = now(CLOCK_MONOTONIC), passed = at - last < MAX_LATE ? at - last : MAX_LATE;
        long wanted = shared->wanted_mib * MIB / PAGE, rate = shared->rate * MIB / PAGE;

        last = at;
        due = taken == wanted ? 0 : due + passed * rate;
        long most = rate ? (long)due : MAX_TAKEN / PAGE;
        due = rate ? due - most : 0;
        taken = take_or_free(shared, start, taken, wanted, most);
        for (long left = (long)(taken * passed / USE_SECONDS); left > 0; left--) {
            used = used + 1 < taken ? used + 1 : 0;
            start[used * PAGE]++;
        }
        wait_until(at + 0.02);
    }
}

void run_cache(struct shared *shared, const char *disk, long mib, long rate)
{
    static char piece[MIB];
    int file = open(disk, O_RDONLY);
    double end = now(CLOCK_MONOTONIC);

    for (long at = 0;; at = (at + 1) % mib) {
        if (pread(file, piece, MIB, at * MIB) <= 0) {
            if (at == 0)
                _exit(3);
            at = -1;
        } else if (at >= shared->cache_mib) {
            shared->cache_mib = at + 1;
        }
        end += rate ? 1.0 / rate : 0;
        if (now(CLOCK_MONOTONIC) > end + MAX_LATE)
            end = now(CLOCK_MONOTONIC);
        wait_until(end);
    }
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* One file: memory grows in the first 60 % of the time, and a CPU is used in all of it. */
static void compile(long mib, double end, double growing)
{
    char *start = address_space(mib * MIB);
    double begun = now(CLOCK_MONOTONIC);
    long pages = 0;

    for (double at; (at = now(CLOCK_MONOTONIC)) < end;) {
        double part = (at - begun) / growing;
        long until = (long)((part < 1 ? part : 1) * mib * MIB / PAGE);

        write_pages(start, pages, until);
        pages = until;
        burn(0.02, end);
    }
    munmap(start, mib * MIB);
}

void run_job(struct shared *shared, long mib, unsigned number)
{
    unsigned state = number * 2654435761u + 1;

    for (long file = 1;; file++) {
        long most = mib / 4 + next_random(&state) % (mib - mib / 4 + 1);
        double seconds = 1 + next_random(&state) % 3000 / 1000.0;
        double end = now(CLOCK_MONOTONIC) + seconds;

        compile(file % 8 ? most : 2 * mib, end, seconds * 0.6);
        __atomic_add_fetch(&shared->files, 1, __ATOMIC_RELAXED);
        /* Between two files a build waits for the disk. */
        wait_until(end + next_random(&state) % 300 / 1000.0);
    }
}
