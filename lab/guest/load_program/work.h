// SPDX-License-Identifier: Apache-2.0
/* What the workers of the guest's load do; each of them is a process of its own. */
#include <time.h>

#define MIB (1024L * 1024)

/* What the workers are to do, and have done; they share it with the process that reports. */
struct shared {
    volatile long wanted_mib, rate, taken_mib;
    volatile long cache_mib;
    volatile long files;
};

/* Seconds of a clock. */
double now(clockid_t clock);

/* Burns `percent` of a CPU. What it does not get in one period it does not ask for in the next. */
void run_burner(long percent);

/* Takes and frees memory at the rate that is asked for (MiB a second, 0: at once), and uses it. */
void run_memory(struct shared *shared);

/* Reads the first `mib` of the disk again and again, as programs read their files. */
void run_cache(struct shared *shared, const char *disk, long mib, long rate);

/* Compiles: each file takes memory while it uses a CPU, and frees it; each eighth is a link. */
void run_job(struct shared *shared, long mib, unsigned number);
