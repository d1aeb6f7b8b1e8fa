"""The lab's guest: Debian's cloud kernel and a busybox initramfs that reports on itself.

Every half second it looks whether its size has changed. At boot, after a change, and at least every
five seconds, it prints one line on its serial console:

    xloud-guest: cpus_online=1 ram_mib=1024 balloon_mib=512 held_mib=512 mem_total_kib=... \
        mem_free_kib=... uptime=3.10 guest=cooperative

:cpus_online: the CPUs that the guest's kernel uses (/proc/cpuinfo).
:ram_mib: the RAM that the guest sees (/proc/iomem), rounded up to a MiB: the domain's maximum
    memory.
:balloon_mib: pages given to the balloon (/proc/vmstat, balloon_inflate less balloon_deflate).
:held_mib: ram_mib less balloon_mib: what libvirt calls the balloon's actual size. MemTotal does
    not show it where the balloon has autodeflate='on', as Nova sets it: MemTotal then stays.

Behaviours, by ``xloud.guest=`` on the kernel's command line (image property os_command_line):

:cooperative: the default. It brings every CPU online each time it looks, and has a balloon driver.
:online-once: brings a CPU online when it has just been added, as distributions do, so that a CPU
    which the guest agent takes offline stays offline.
:no-online: leaves hot-added CPUs offline.
:no-removal: as online-once, and refuses to give a CPU back.
:no-balloon: has no balloon driver.
:silent-balloon: has a balloon driver that does what it is asked, and never reports statistics. (It
    has no driver at all with a kernel for which silent_balloon.py cannot make this one.)
:unloads-driver: unloads its balloon driver some 10 s after it was made larger and smaller again.
    The driver gives all of its memory back to the guest first.
:takes-back: as unloads-driver, and loads the driver again after some 45 s.
:dies-shrinking: panics while its memory is taken, after it was made larger.
:reboots-shrinking: reboots itself while its memory is taken, after it was made larger.
:slow-removal: cooperative, but libvirt has a vCPU back only 8 s after it asked for it, because
    lab/hypervisor/nudge.py waits.
:very-slow-removal: the same with 40 s.
:agent-lies: its agent counts one CPU online, whatever is true, and claims to obey.
:agent-hangs: its agent answers libvirt's greeting and then nothing more.
:agent-errors: its agent answers everything but the greeting with an error.
:hungry: once it was made larger, uses all memory but some 100 MiB, and gives none of it back.

A guest with ``xloud.load=`` on the command line has a load that can be driven (lab/guest/load.py),
and with ``xloud.swap=512`` beside it swaps to 512 MiB of its disk. Only such a guest has a disk.

``xloud.look=0.2`` on the command line makes the guest look every 0.2 s instead of every half
second. With ``acpi=off`` a guest sees neither new CPUs nor the power button.

A guest agent runs in every guest whose domain has a port for one: Debian's qemu-ga, or for the
behaviours agent-* the shell script fake_agent.sh.
"""

import hashlib
import lzma
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.guest import agent, packages, program, silent_balloon
from lab.guest.initramfs import Entry, archive
from lab.layout import Layout

HERE = Path(__file__).resolve().parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"

BEHAVIOURS = (
    "cooperative",
    "online-once",
    "no-online",
    "no-removal",
    "no-balloon",
    "silent-balloon",
    "unloads-driver",
    "takes-back",
    "dies-shrinking",
    "reboots-shrinking",
    "slow-removal",
    "very-slow-removal",
    "agent-lies",
    "agent-hangs",
    "agent-errors",
    "hungry",
)

# In the order in which they have to be loaded.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_balloon",
    "virtio_console",
    "virtio_mem",
    "virtio_blk",
    "evdev",
    "button",
)

# A whole line and nothing else: the kernel writes to the same console, sometimes within a line.
_LINE = re.compile(
    rb"^xloud-guest: cpus_online=(?P<cpus>\d+) ram_mib=(?P<ram>\d+) balloon_mib=(?P<balloon>-?\d+)"
    rb" held_mib=(?P<held>\d+) mem_total_kib=\d+ mem_free_kib=\d+ uptime=(?P<uptime>[\d.]+)"
    rb" guest=(?P<behaviour>[\w-]+)\r?$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Guest:
    """The files that a guest boots from, which are uploaded to Glance."""

    kernel: Path
    initramfs: Path


@dataclass(frozen=True)
class Report:
    """One line that the guest has printed about itself; sizes in MiB, uptime in seconds.

    The module describes the values; ``cpus`` are those that are online.
    """

    cpus: int
    ram_mb: int
    balloon_mb: int
    held_mb: int
    uptime: float
    behaviour: str


def command_line(behaviour: str = "cooperative", *more: str) -> str:
    """Return the kernel's command line for a behaviour.

    :param more: further arguments of the kernel
    """
    return " ".join(["console=ttyS0", f"xloud.guest={behaviour}", *more])


def last_report(console: bytes) -> Report | None:
    """Return the last complete report in a guest's console output; None if there is none yet."""
    reports = list(_LINE.finditer(console))
    if not reports:
        return None
    said = reports[-1]
    return Report(
        cpus=int(said["cpus"]),
        ram_mb=int(said["ram"]),
        balloon_mb=int(said["balloon"]),
        held_mb=int(said["held"]),
        uptime=float(said["uptime"]),
        behaviour=said["behaviour"].decode(),
    )


def ensure_built(layout: Layout) -> Guest:
    """Download and build the guest, unless that was done before from the same sources.

    :raises LabError: a download or an unpacked file is not as expected
    """
    folder = layout.cache / "guest"
    unpacked = folder / "unpacked"
    if not unpacked.exists():
        packages.ensure_unpacked(layout, unpacked, [_kernel_package(), "busybox-static"])
    init = (HERE / "init.sh").read_bytes()
    sources = ("agent.py", "fake_agent.sh", "silent_balloon.py")
    recipe = init + repr(MODULES).encode() + b"".join((HERE / s).read_bytes() for s in sources)
    recipe += program.sources()
    digest = hashlib.sha256(recipe).hexdigest()[:12]
    guest = Guest(_only(unpacked, "boot/vmlinuz-*"), folder / f"initramfs-{digest}.gz")
    if not guest.initramfs.exists():
        entries = [*_entries(unpacked, init), program.entry(layout), *agent.entries(layout)]
        guest.initramfs.write_bytes(archive(entries))
    return guest


def _entries(unpacked: Path, init: bytes) -> list[Entry]:
    folders = [Entry(name) for name in ("bin", "dev", "modules", "proc", "sys")]
    busybox = Entry("bin/busybox", _only(unpacked, "bin/busybox").read_bytes())
    # init.sh says #!/bin/sh, and the kernel needs that before busybox can install its links.
    shell = Entry("bin/sh", busybox.content)
    builtin = _only(unpacked, "lib/modules/*/modules.builtin").read_text()
    found = {name: _module(unpacked, name) for name in MODULES if f"/{name}.ko" not in builtin}
    modules = [Entry(f"modules/{name}.ko", content) for name, content in found.items()]
    order = Entry("modules/order", "".join(f"{name}\n" for name in found).encode())
    if silent := silent_balloon.made_of(found["virtio_balloon"]):
        modules.append(Entry("modules/virtio_balloon_silent.ko", silent))
    fake_agent = Entry("fake_agent.sh", (HERE / "fake_agent.sh").read_bytes())
    return [*folders, busybox, shell, *modules, order, fake_agent, Entry("init", init)]


def _module(unpacked: Path, name: str) -> bytes:
    path = _only(unpacked, f"lib/modules/*/kernel/**/{name}.ko*")
    content = path.read_bytes()
    # Debian compresses modules from trixie on.
    return lzma.decompress(content) if path.suffix == ".xz" else content


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{len(found)} files {pattern} in {folder}, where one was expected")
    return found[0]


def _kernel_package() -> str:
    """Return the name of the kernel package that the meta package depends on."""
    printed = packages.depends(KERNEL_PACKAGE)
    kernels = re.findall(r"Depends: (linux-image-\S+)", printed)
    if len(kernels) != 1:
        raise LabError(f"{KERNEL_PACKAGE} names no kernel (needs apt-get update?): {printed}")
    return str(kernels[0])
