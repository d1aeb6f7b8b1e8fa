#!/bin/bash
# TCG WORKAROUNDS, of the lab only: stands in the place of qemu-system-x86_64 in the compute's mount
# namespace. Every guest gets a second QMP socket, on which lab/hypervisor/nudge.py listens, and a
# free() that keeps what the RCU thread frees; see keep_freed.c. A third QMP socket is no workaround:
# the demo of automatic growth asks it what the balloon has; see balloon.py.
# libvirt's probes for capabilities (which have no guest name) run as they are.
real=/usr/bin/qemu-system-x86_64.real
if [[ " $* " == *" -name guest="* ]]; then
  export LD_PRELOAD=/run/keep_freed.so
  exec "$real" "$@" \
    -chardev "socket,id=lab-nudge,path=/run/qmp/$$.sock,server=on,wait=off" \
    -mon chardev=lab-nudge,mode=control \
    -chardev "socket,id=lab-look,path=/run/qmp/$$.look,server=on,wait=off" \
    -mon chardev=lab-look,mode=control
fi
exec "$real" "$@"
