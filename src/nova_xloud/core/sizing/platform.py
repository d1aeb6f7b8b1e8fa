# SPDX-License-Identifier: Apache-2.0
"""Which guests can be given vCPUs while they run, and which can give them back.

libvirt says of no machine type whether QEMU plugs vCPUs into it; its capabilities name the
architecture and the machine type, and these decide it. What is not in the table cannot, as far as
is known: aarch64 and riscv64 have no vCPU hot-plug in QEMU, microvm and isapc have none on x86.
"""

from __future__ import annotations

# Machine types into which QEMU plugs vCPUs, by what their names begin with: pc-q35-9.0 begins with
# pc. Ubuntu's own are called ubuntu and ubuntu-q35.
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
# By Glance's os_type, and os_distro as libosinfo has it: win2k22, win10. Windows is given CPUs and
# keeps them; the BSDs have no driver for CPUs that come or go.
_KEEP_VCPUS = ("win", "freebsd", "netbsd", "openbsd", "dragonflybsd", "msdos", "netware")


def cannot_plug(architecture: str | None, machine: str | None) -> str | None:
    """Why a running guest cannot be given vCPUs, as the end of a sentence; None: it can.

    :param architecture: as Nova names it, x86_64; None: not known here
    :param machine: QEMU's machine type, q35 or pc-q35-9.0; None: the architecture's own
    """
    if architecture is not None and architecture not in _PLUGGABLE:
        return f"QEMU plugs no vCPUs into a running guest of architecture {architecture}"
    names = _PLUGGABLE[architecture] if architecture is not None else _ALL
    if machine and not machine.lower().startswith(names):
        return f"QEMU plugs no vCPUs into a running machine of type {machine}"
    return None


def keeps_vcpus(architecture: str | None, systems: tuple[str, ...]) -> str | None:
    """Why a running guest never gives vCPUs back, as the end of a sentence; None: it may.

    :param systems: the image's ``os_type`` and ``os_distro``, empty where it does not say
    """
    if architecture in _NO_UNPLUG:
        return f"QEMU takes no vCPUs away from a running guest of architecture {architecture}"
    for system in systems:
        if system.lower().startswith(_KEEP_VCPUS):
            return f"the image's system, {system}, keeps each vCPU that it was given until it stops"
    return None
