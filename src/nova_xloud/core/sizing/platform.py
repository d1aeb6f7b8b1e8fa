# SPDX-License-Identifier: Apache-2.0
"""Which guests can gain vCPUs while they run, and which can give them back.

libvirt does not report whether QEMU can plug vCPUs into a machine type. So a table in this module
decides that by architecture and machine type. Whatever is not in the table counts as unable to gain
vCPUs: QEMU has no vCPU hot-plug for aarch64 and riscv64, and on x86 none for microvm and isapc.
Whether a guest can give vCPUs back depends on its architecture and its operating system.
"""

from __future__ import annotations

# By architecture, how the names of machine types begin into which QEMU plugs vCPUs: pc-q35-9.0
# begins with pc. Ubuntu's own are called ubuntu and ubuntu-q35.
_X86 = ("pc", "q35", "ubuntu")
_PLUGGABLE = {
    "x86_64": _X86,
    "i686": _X86,
    "ppc64": ("pseries",),
    "ppc64le": ("pseries",),
    "s390x": ("s390-ccw",),
}
_ALL = tuple(sorted({name for names in _PLUGGABLE.values() for name in names}))

# QEMU has no unplug on s390x.
_NO_UNPLUG = ("s390x",)
# How os_type of Glance, or os_distro as libosinfo names it (win2k22, win10), begins. Windows takes
# new CPUs and keeps them; the BSDs have no driver for CPUs that come or go.
_KEEP_VCPUS = ("win", "freebsd", "netbsd", "openbsd", "dragonflybsd", "msdos", "netware")


def cannot_plug(architecture: str | None, machine: str | None) -> str | None:
    """Return why a running guest cannot gain vCPUs, as a clause; None if no reason is known.

    :param architecture: as Nova names it (``x86_64``); None if not known: then the machine type may
        be of any architecture
    :param machine: QEMU's machine type (``q35``, ``pc-q35-9.0``); None if not known: then the
        architecture alone decides
    """
    if architecture is not None and architecture not in _PLUGGABLE:
        return f"QEMU plugs no vCPUs into a running guest of architecture {architecture!r}"
    names = _PLUGGABLE[architecture] if architecture is not None else _ALL
    if machine and not machine.lower().startswith(names):
        return f"QEMU plugs no vCPUs into a running machine of type {machine!r}"
    return None


def keeps_vcpus(architecture: str | None, systems: tuple[str, ...]) -> str | None:
    """Return why a running guest never gives vCPUs back, as a clause; None if no reason is known.

    :param architecture: as Nova names it (``s390x``); None if not known
    :param systems: the image's ``os_type`` and ``os_distro``; an empty string for one not set
    """
    if architecture in _NO_UNPLUG:
        return f"QEMU takes no vCPUs away from a running guest of architecture {architecture!r}"
    for system in systems:
        if system.lower().startswith(_KEEP_VCPUS):
            return (
                f"the image's system, {system!r}, keeps each vCPU that it was given until it stops"
            )
    return None
