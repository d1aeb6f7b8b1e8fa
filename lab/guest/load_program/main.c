// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's load: burns CPU, takes and frees memory, fills the page cache and builds, as it is
 * told on the serial console, and says there what it sees of distress. lab/guest/load.py describes
 * commands and reports. init.sh starts it as `load FIRST_LOAD DISK`, with the console as stdin and
 * stdout.
 *
 * This process reads commands and reports; it is not swapped, and not killed for want of memory.
 * Each worker is a process of its own, so that the kernel kills a worker and nothing else.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "report.h"
#include "work.h"

#define MAX_WORKERS 64
/* Milliseconds between two looks at the kernel's counters. */
#define LOOK_MS 200
/* Seconds between two reports that say nothing new: with workers, and without. */
#define LOADED_REPORT 1.0
#define IDLE_REPORT 5.0

struct load {
    long burners, percent;
    long memory_mib, memory_rate;
    long cache_mib, cache_rate;
    long jobs, job_mib;
};

struct worker {
    pid_t pid;
    int has_memory;
};

static struct shared *shared;
static struct worker workers[MAX_WORKERS];
static const char *disk;
static long command, killed;

/* Starting and ending workers. */

static void set_oom_score(const char *score)
{
    int file = open("/proc/self/oom_score_adj", O_WRONLY);

    if (file < 0 || write(file, score, strlen(score)) < 0)
        say("xloud-load: error: oom_score_adj is not set\n");
    close(file);
}

static struct worker *find_worker(pid_t pid)
{
    for (struct worker *one = workers; one < workers + MAX_WORKERS; one++)
        if (one->pid == pid)
            return one;
    return NULL;
}

static int worker_count(int with_memory_only)
{
    int count = 0;

    for (struct worker *one = workers; one < workers + MAX_WORKERS; one++)
        count += one->pid && (one->has_memory || !with_memory_only);
    return count;
}

/* Returns whether this process is the new worker. */
static int begin_worker(int has_memory)
{
    struct worker *one = find_worker(0);
    pid_t parent = getpid();
    pid_t pid = one ? fork() : -1;

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* It says nothing of a parent that has ended before. */
        if (getppid() != parent)
            _exit(1);
        set_oom_score("500");
    }
    if (pid > 0)
        *one = (struct worker){ pid, has_memory };
    if (pid < 0)
        say("xloud-load: error: no worker can be started\n");
    return pid == 0;
}

/* A worker whose memory is taken or freed slowly goes on. */
static void end_workers(int with_memory)
{
    for (struct worker *one = workers; one < workers + MAX_WORKERS; one++)
        if (one->pid && (with_memory || !one->has_memory)) {
            kill(one->pid, SIGKILL);
            waitpid(one->pid, NULL, 0);
            one->pid = 0;
        }
}

static void begin(const struct load *load)
{
    end_workers(!load->memory_mib && !load->memory_rate);
    shared->taken_mib = worker_count(1) ? shared->taken_mib : 0;
    shared->wanted_mib = load->memory_mib;
    shared->rate = load->memory_rate;
    shared->cache_mib = shared->files = 0;
    if (load->memory_mib && !worker_count(1) && begin_worker(1))
        run_memory(shared);
    for (long i = 0; i < load->burners; i++)
        if (begin_worker(0))
            run_burner(load->percent);
    if (load->cache_mib && begin_worker(0))
        run_cache(shared, disk, load->cache_mib, load->cache_rate);
    for (long i = 0; i < load->jobs; i++)
        if (begin_worker(0))
            run_job(shared, load->job_mib, (unsigned)i + 1);
}

/* A worker that end_workers() has not ended was killed by the kernel, or has failed. */
static void count_killed(void)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct worker *one = find_worker(pid);

        if (WIFSIGNALED(status))
            killed++;
        else
            say("xloud-load: error: a worker has ended (%d)\n", WEXITSTATUS(status));
        if (one && one->has_memory)
            shared->taken_mib = 0;
        if (one)
            one->pid = 0;
    }
}

/* Commands. */

/* Reads NAME=FIRST and a second number behind a sign; returns whether the word is that. */
static int read_word(const char *word, const char *name, char sign, long *first, long *second)
{
    size_t length = strlen(name);
    char *end;

    if (strncmp(word, name, length) || word[length] != '=')
        return 0;
    *first = strtol(word + length + 1, &end, 10);
    if (*end == sign)
        *second = strtol(end + 1, &end, 10);
    return *end == '\0' && *first >= 0 && *second >= 0;
}

/* Returns whether all words were understood. */
static int read_load(char *words, struct load *load)
{
    *load = (struct load){ .percent = 100, .job_mib = 100 };
    for (char *rest, *word = strtok_r(words, " ,\r\n", &rest); word;
         word = strtok_r(NULL, " ,\r\n", &rest))
        if (!(strcmp(word, "idle") == 0 ||
              read_word(word, "cpu", 'x', &load->burners, &load->percent) ||
              read_word(word, "memory", '@', &load->memory_mib, &load->memory_rate) ||
              read_word(word, "cache", '@', &load->cache_mib, &load->cache_rate) ||
              read_word(word, "build", 'x', &load->jobs, &load->job_mib)))
            return 0;
    return load->burners + load->jobs <= MAX_WORKERS - 2 && load->percent <= 100;
}

/* A line is `load NUMBER WORD...`. A number that was obeyed already changes nothing. */
static void obey(char *line)
{
    struct load load;
    char *words;

    if (strncmp(line, "load ", 5))
        return;
    long number = strtol(line + 5, &words, 10);
    if (number == command)
        return;
    if (!read_load(words, &load)) {
        say("xloud-load: error: command %ld is not understood\n", number);
        return;
    }
    command = number;
    begin(&load);
}

/* Whole lines, which are not written back: the console is what others read. */
static void set_console(void)
{
    struct termios how;

    if (tcgetattr(STDIN_FILENO, &how))
        return;
    how.c_lflag = (how.c_lflag | ICANON) & ~(ECHO | ECHONL | ISIG);
    how.c_iflag |= ICRNL;
    tcsetattr(STDIN_FILENO, TCSANOW, &how);
}

int main(int count, char **words)
{
    struct pollfd console = { .fd = STDIN_FILENO, .events = POLLIN };
    struct news last = { .command = -1 };
    struct load load;
    char line[1024];
    double reported = 0;

    if (count != 3 || !read_load(words[1], &load))
        exit(2);
    disk = words[2];
    set_console();
    set_oom_score("-1000");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || mlockall(MCL_CURRENT | MCL_FUTURE))
        exit(3);
    begin(&load);
    for (;;) {
        int is_asked = 0;

        if (poll(&console, 1, LOOK_MS) > 0) {
            ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);

            if (length <= 0)
                exit(0);
            line[length] = '\0';
            obey(line);
            is_asked = 1;
        }
        count_killed();
        struct news news = read_news(command, killed);
        double at = now(CLOCK_MONOTONIC);
        if (is_asked || memcmp(&news, &last, sizeof news) ||
            at > reported + (worker_count(0) ? LOADED_REPORT : IDLE_REPORT)) {
            report(&news, shared, worker_count(0));
            last = news;
            reported = at;
        }
    }
}
