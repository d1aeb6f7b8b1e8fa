"""The lab's hypervisor: virtlogd, libvirtd and QEMU of one compute, in a namespace of their own.

Two kinds, chosen with LAB_HYPERVISOR: ``unpacked`` (the default; a current QEMU and libvirt beside
the system, on which vCPUs can be removed under TCG too) and ``system`` (the machine's own, where
KVM may be). Either way their sockets, logs, and domains are below the compute's folder, so the
machine's own libvirtd, if there is one, is not touched.
"""

import os
import uuid
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
    """Return the kind of hypervisor that LAB_HYPERVISOR names."""
    chosen = os.environ.get("LAB_HYPERVISOR", "unpacked")
    if chosen not in KINDS:
        raise LabError(f"LAB_HYPERVISOR is {chosen!r}; it can be: {', '.join(KINDS)}")
    return chosen


def connect_uri(compute: Compute) -> str:
    """Return the URI by which programs on this machine reach the compute's libvirtd."""
    return f"qemu+unix:///system?socket={compute.libvirt_socket}"


def start(layout: Layout, compute: Compute, step: Step) -> None:
    """Start the compute's hypervisor, unless it runs already."""
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


def stop(layout: Layout, compute: Compute) -> None:
    """End the daemons, the guests, and with the last process the namespace and its mounts."""
    for name in reversed(daemon_names(compute)):
        processes.stop(layout, [name])
    processes.end_processes(namespace.members(compute))


def daemon_names(compute: Compute) -> list[str]:
    """The daemons of one compute's hypervisor, in the order of their start."""
    names = ("namespace", "virtlogd", "libvirtd", "tcg-nudge")
    return [compute.daemon(name) for name in names]


def versions(compute: Compute) -> str:
    """Return the versions of libvirt and QEMU that run, as libvirtd reports them."""
    connection = libvirt.open(connect_uri(compute))
    try:
        return (
            f"QEMU {_dotted(connection.getVersion())}, "
            f"libvirt {_dotted(connection.getLibVersion())}, host {connection.getHostname()}"
        )
    finally:
        connection.close()


def _dotted(version: int) -> str:
    """libvirt's 1000000 * major + 1000 * minor + release, for people."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def _write_configuration(layout: Layout, compute: Compute) -> None:
    folder = compute.root / "etc" / "libvirt"
    host_uuid = uuid.uuid5(UUID_NAMESPACE, compute.hostname)
    # libvirtd resolves it when it starts, and believes nothing of a folder that is not there.
    layout.instances.mkdir(parents=True, exist_ok=True)
    qemu_conf = QEMU_CONF.format(address=compute.address, instances=layout.instances)
    (folder / "qemu.conf").write_text(qemu_conf)
    (folder / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(host_uuid=host_uuid))


def _build_keep_freed(layout: Layout, compute: Compute) -> None:
    """Where emulator.sh expects it: the compute's own /run, which every start makes anew."""
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
    # Opening too early makes libvirt print on stderr; the socket's file comes first.
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
