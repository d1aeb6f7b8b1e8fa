// SPDX-License-Identifier: Apache-2.0
/* What the guest's load says on the console. */

struct shared;

/* What is reported at once when it changes. */
struct news {
    long command, killed, oom_kills, swap_in_kib, swap_out_kib, stalls;
};

/* Writes a line, in one piece: the lines of two processes do not mix then. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads the kernel's counters of distress. */
struct news read_news(long command, long killed);

/* Reports these and all other figures. */
void report(const struct news *news, const struct shared *shared, int worker_count);
