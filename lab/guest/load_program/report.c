// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "work.h"

/* All else that is reported. */
struct figures {
    long stalled_ms, major_faults, available_kib, swap_used_kib, cpu_ms;
};

void say(const char *format, ...)
{
    char line[512];
    va_list values;

    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (write(STDOUT_FILENO, line, length) != length)
        exit(1);
}

/* Adds up the numbers of all lines of a file that begin with a name. */
static long read_sum(const char *path, const char *name)
{
    char line[256];
    long sum = 0;
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            sum += strtol(line + strcspn(line, " "), NULL, 10);
    if (file)
        fclose(file);
    return sum;
}

/* Microseconds in which some task of the guest has waited for memory. */
static long read_stalled(void)
{
    char line[256] = "", *total;
    FILE *file = fopen("/proc/pressure/memory", "r");

    if (file && !fgets(line, sizeof line, file))
        line[0] = '\0';
    if (file)
        fclose(file);
    return (total = strstr(line, "total=")) ? strtol(total + 6, NULL, 10) : 0;
}

/* Milliseconds of CPU time that the guest has used: all but idle, I/O wait and what was stolen. */
static long read_cpu(void)
{
    long user = 0, nice = 0, system = 0, idle, wait, irq = 0, softirq = 0;
    FILE *file = fopen("/proc/stat", "r");

    if (file && fscanf(file, "cpu %ld %ld %ld %ld %ld %ld %ld", &user, &nice, &system, &idle, &wait,
                       &irq, &softirq) != 7)
        user = 0;
    if (file)
        fclose(file);
    return (user + nice + system + irq + softirq) * 1000 / sysconf(_SC_CLK_TCK);
}

struct news read_news(long command, long killed)
{
    const char *counters = "/proc/vmstat";
    long page_kib = sysconf(_SC_PAGESIZE) / 1024;

    return (struct news){
        .command = command,
        .killed = killed,
        .oom_kills = read_sum(counters, "oom_kill "),
        .swap_in_kib = read_sum(counters, "pswpin ") * page_kib,
        .swap_out_kib = read_sum(counters, "pswpout ") * page_kib,
        .stalls = read_sum(counters, "allocstall_"),
    };
}

void report(const struct news *news, const struct shared *shared, int worker_count)
{
    const char *memory = "/proc/meminfo";
    struct figures figures = {
        .stalled_ms = read_stalled() / 1000,
        .major_faults = read_sum("/proc/vmstat", "pgmajfault "),
        .available_kib = read_sum(memory, "MemAvailable:"),
        .swap_used_kib = read_sum(memory, "SwapTotal:") - read_sum(memory, "SwapFree:"),
        .cpu_ms = read_cpu(),
    };

    say("xloud-load: command=%ld workers=%d taken_mib=%ld cache_mib=%ld files=%ld killed=%ld"
        " oom_kills=%ld swap_in_kib=%ld swap_out_kib=%ld stalls=%ld stalled_ms=%ld major_faults=%ld"
        " available_kib=%ld swap_used_kib=%ld cpu_ms=%ld uptime=%.2f\n",
        news->command, worker_count, shared->taken_mib, shared->cache_mib, shared->files,
        news->killed, news->oom_kills, news->swap_in_kib, news->swap_out_kib, news->stalls,
        figures.stalled_ms, figures.major_faults, figures.available_kib, figures.swap_used_kib,
        figures.cpu_ms, now(CLOCK_BOOTTIME));
}
