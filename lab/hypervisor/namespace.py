"""A compute's own mount and UTS namespace, which its libvirtd and QEMU see as the machine.

Inside, /run, /var and /etc are folders of the compute, the hostname is the compute's, and /usr is
the unpacked hypervisor tree (with LAB_HYPERVISOR=system: the machine's own). There a small machine
seems to have more CPUs than it has (see topology.py). All other paths are the same inside and
outside, so a path means the same file to Nova outside and to QEMU inside.

A process that sleeps keeps the namespace in being; daemons are started in it with nsenter.
"""

import shutil
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.hypervisor import topology
from lab.layout import Compute, Layout
from lab.processes import Daemon

HERE = Path(__file__).resolve().parent
# Debian's libvirtd does not start without this user and these groups, though it is run as root.
# Debian's package would add them to the machine; here they are added inside only.
ACCOUNTS = {
    "passwd": ["libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin"],
    "group": ["kvm:x:64054:", "libvirt-qemu:x:64055:"],
}


def start(layout: Layout, compute: Compute, tree: Path | None) -> int:
    """Create the namespace unless there is one, and return the id of the process that keeps it.

    :param tree: the folder whose ``usr`` is /usr inside; None: the machine's own
    """
    daemon = _holder(compute, tree)
    record = processes.read_record(layout, daemon.name)
    if not (record and record.alive()):
        # A namespace whose holder was killed can still have processes in it.
        processes.end_processes(members(compute))
        _prepare_folders(compute)
    processes.start(layout, [daemon])
    record = processes.read_record(layout, daemon.name)
    if record is None:
        raise LabError(f"{daemon.name} left no record")
    return record.pid


def enter(holder: int, command: list[str]) -> list[str]:
    """Return the command line that runs ``command`` inside the namespace.

    :param holder: the id of the process that keeps the namespace
    """
    # --root: in a chroot, the namespace's own root is another one.
    return ["nsenter", "--mount", "--uts", "--root", f"--target={holder}", *command]


def members(compute: Compute) -> dict[int, int]:
    """Return {pid: start time} of each process in the namespace, also of the one that keeps it."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        began = processes.start_time(pid)
        if began is not None and _is_inside(pid, compute):
            found[pid] = began
    return found


def _is_inside(pid: int, compute: Compute) -> bool:
    try:
        mounts = Path(f"/proc/{pid}/mountinfo").read_text()
    except OSError:
        return False
    # proc(5): spaces in mountinfo are written \040.
    source = f"nova-xloud-lab:{compute.root}".replace(" ", "\\040")
    return any(source in line.split() for line in mounts.splitlines())


def _holder(compute: Compute, tree: Path | None) -> Daemon:
    private = [str(tree), str(HERE / "emulator.sh")] if tree else []
    return Daemon(
        name=compute.daemon("namespace"),
        command=[
            *("unshare", "--mount", "--uts", "--propagation", "private", "--"),
            *("/bin/bash", str(HERE / "namespace.sh")),
            *(str(compute.root), compute.hostname, *private),
        ],
        healthy=lambda: _settled(compute),
        timeout=10,
    )


def _settled(compute: Compute) -> bool:
    """Return whether namespace.sh is done, which it is when it has become ``sleep``."""
    return any(Path(f"/proc/{pid}/comm").read_text().strip() == "sleep" for pid in members(compute))


def _prepare_folders(compute: Compute) -> None:
    # What was in /run is from processes that are gone.
    shutil.rmtree(compute.run, ignore_errors=True)
    topology.write(compute)
    etc = compute.root / "etc"
    for folder in ("namespace", "run/qmp", "run/lock", "etc/libvirt"):
        (compute.root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("lib", "log", "cache", "tmp"):
        (compute.root / "var" / folder).mkdir(parents=True, exist_ok=True)
    for name, target in (("run", "/run"), ("lock", "/run/lock")):
        link = compute.root / "var" / name
        if not link.is_symlink():
            link.symlink_to(target)
    for name, own in ACCOUNTS.items():
        known = Path("/etc", name).read_text()
        missing = [line for line in own if f"{line.split(':')[0]}:" not in known]
        (etc / name).write_text(known + "".join(f"{line}\n" for line in missing))
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {compute.hostname}\n")
