/*
 * TCG WORKAROUND, of the lab only; preloaded into QEMU by emulator.sh.
 *
 * Under TCG a vCPU that is taken away is freed by QEMU's RCU thread while something still refers
 * to it: a later vCPU addition then calls a function through memory that has been given to
 * somebody else, and QEMU dies of SIGSEGV. Measured with QEMU 11.1 on the lab's guest: 4 of 14
 * times one vCPU was added after two had been removed. Not with this: what the RCU thread frees
 * is kept, so that it stays what it was. A guest costs some 40 MiB more.
 */
#include <string.h>
#include <sys/prctl.h>

extern void __libc_free(void *memory);

enum which { UNKNOWN, RCU, OTHER };

static __thread enum which thread_is;

static enum which look(void)
{
    char name[16] = "";

    prctl(PR_GET_NAME, name);
    return strcmp(name, "call_rcu") == 0 ? RCU : OTHER;
}

void free(void *memory)
{
    if (thread_is == UNKNOWN)
        thread_is = look();
    if (thread_is != RCU)
        __libc_free(memory);
}
