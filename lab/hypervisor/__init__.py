"""The lab's hypervisor: virtlogd, libvirtd and QEMU of one compute, in a namespace of their own.

There are two kinds, and LAB_HYPERVISOR chooses one. ``unpacked``, the default, is a current QEMU
and libvirt beside the system, with which vCPUs can be removed under TCG too. ``system`` is the
machine's own, which may have KVM. With both kinds the sockets, logs and domains are below the
compute's folder, so the machine's own libvirtd, if there is one, is not touched.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

from lab import processes
from lab.errors import LabError
from lab.hypervisor import namespace, packages
from lab.layout import Compute, Layout
from lab.processes import Daemon, run_command
from lab.progress import Step

KINDS = ("unpacked", "system")

# A compute's libvirt host UUID comes from its name: the same at every start, and never that of
# another compute of this machine.
UUID_NAMESPACE = uuid.UUID("6e6f7661-786c-4f75-a400-6c61622e686f")

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
# No cgroups and no per-guest mount namespaces: neither can be counted on without systemd.
cgroup_controllers = []
namespaces = []
# Extended attributes for file owners do not work on every file system.
remember_owner = 0
# A guest that comes in is received on loopback only, and at this host's own address there.
migration_address = "{address}"
migration_host = "{address}"
# One folder of one machine: all computes see it, and libvirt (11.0 and later) believes it.
shared_filesystems = ["{instances}"]
# Suspended guests are then read through a pipe. From a file libvirt 11.3 would have QEMU read them
# by its fd: migration, which QEMU 11 has for sockets and pipes only.
save_image_format = "gzip"
"""

LIBVIRTD_CONF = """\
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{host_uuid}"
log_outputs = "3:stderr"
"""


def kind() -> str:
    """Return the kind of hypervisor that LAB_HYPERVISOR names; default: ``unpacked``.

    :raises LabError: there is no such kind
    """
    chosen = os.environ.get("LAB_HYPERVISOR", "unpacked")
    if chosen not in KINDS:
        raise LabError(f"LAB_HYPERVISOR is {chosen!r}; it can be: {', '.join(KINDS)}")
    return chosen


def connect_uri(compute: Compute) -> str:
    """Return the URI by which programs on this machine reach the compute's libvirtd."""
    return f"qemu+unix:///system?socket={compute.libvirt_socket}"


def start(layout: Layout, compute: Compute, step: Step) -> None:
    """Start the compute's hypervisor, unless it runs already, and note its versions in ``step``."""
    unpacked = kind() == "unpacked"
    if unpacked:
        packages.ensure_unpacked(layout)
    holder = namespace.start(layout, compute, packages.tree(layout) if unpacked else None)
    _write_configuration(layout, compute)
    if unpacked:
        _build_keep_freed(layout, compute)
    daemons = [_virtlogd(compute, holder), _libvirtd(compute, holder)]
    if unpacked:
        daemons.append(_nudge(layout, compute))
    for daemon in daemons:
        processes.start(layout, [daemon])
    step.note(versions(compute))


def libvirtd(layout: Layout, compute: Compute) -> Daemon:
    """Return the daemon libvirtd of a compute whose hypervisor runs.

    :raises LabError: it does not run, so there is no namespace for libvirtd
    """
    record = processes.read_record(layout, compute.daemon("namespace"))
    if record is None or not record.alive():
        raise LabError(f"the hypervisor of {compute.hostname} does not run; see lab/run status")
    return _libvirtd(compute, record.pid)


def stop(layout: Layout, compute: Compute) -> None:
    """End the compute's daemons and guests; the namespace and its mounts end with them."""
    for name in reversed(daemon_names(compute)):
        processes.stop(layout, [name])
    processes.end_processes(namespace.members(compute))


def daemon_names(compute: Compute) -> list[str]:
    """Return the names of the daemons of a compute's hypervisor, in the order of their start."""
    names = ("namespace", "virtlogd", "libvirtd", "tcg-nudge")
    return [compute.daemon(name) for name in names]


def versions(compute: Compute) -> str:
    """Return the versions of QEMU and libvirt and the hostname, as libvirtd reports them.

    :raises libvirt.libvirtError: libvirtd does not answer
    """
    with opened(compute) as connection:
        return (
            f"QEMU {_dotted(connection.getVersion())}, "
            f"libvirt {_dotted(connection.getLibVersion())}, host {connection.getHostname()}"
        )


@contextmanager
def opened(compute: Compute) -> Iterator[libvirt.virConnect]:
    """Connect to a compute's libvirtd for the block. libvirt's errors are raised, and not printed.

    :raises libvirt.libvirtError: libvirtd does not answer
    """
    libvirt.registerErrorHandler(lambda context, error: None, None)
    connection = libvirt.open(connect_uri(compute))
    try:
        yield connection
    finally:
        connection.close()


def _dotted(version: int) -> str:
    """Return libvirt's 1000000 * major + 1000 * minor + release as text, such as 11.3.0."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def _write_configuration(layout: Layout, compute: Compute) -> None:
    folder = compute.root / "etc" / "libvirt"
    host_uuid = uuid.uuid5(UUID_NAMESPACE, compute.hostname)
    # libvirtd resolves shared_filesystems when it starts, and ignores a folder that does not exist.
    layout.instances.mkdir(parents=True, exist_ok=True)
    qemu_conf = QEMU_CONF.format(address=compute.address, instances=layout.instances)
    (folder / "qemu.conf").write_text(qemu_conf)
    (folder / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(host_uuid=host_uuid))


def _build_keep_freed(layout: Layout, compute: Compute) -> None:
    """Compile keep_freed.c into the compute's own /run, where emulator.sh expects the library.

    That folder is made anew with the namespace.
    """
    library = compute.run / "keep_freed.so"
    if library.exists():
        return
    source = Path(__file__).with_name("keep_freed.c")
    build = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(library), str(source)]
    run_command(layout, "hypervisor-build", build, timeout=60)


def _virtlogd(compute: Compute, holder: int) -> Daemon:
    return Daemon(
        name=compute.daemon("virtlogd"),
        command=namespace.enter(holder, ["/usr/sbin/virtlogd"]),
        healthy=(compute.run / "libvirt" / "virtlogd-sock").exists,
        timeout=15,
    )


def _libvirtd(compute: Compute, holder: int) -> Daemon:
    folder = compute.root / "etc" / "libvirt"
    return Daemon(
        name=compute.daemon("libvirtd"),
        command=namespace.enter(holder, ["/usr/sbin/libvirtd"]),
        healthy=lambda: _answers(compute),
        made_of=[folder / "qemu.conf", folder / "libvirtd.conf"],
        timeout=30,
    )


def _answers(compute: Compute) -> bool:
    # libvirt prints an error on stderr if there is no socket yet.
    if not compute.libvirt_socket.exists():
        return False
    try:
        versions(compute)
    except libvirt.libvirtError:
        return False
    return True


def _nudge(layout: Layout, compute: Compute) -> Daemon:
    return Daemon(
        name=compute.daemon("tcg-nudge"),
        command=[layout.program("python"), "-m", "lab.hypervisor.nudge", str(compute.qmp)],
        healthy=(compute.qmp / "ready").exists,
        made_of=[Path(__file__).with_name("nudge.py")],
        timeout=15,
    )
