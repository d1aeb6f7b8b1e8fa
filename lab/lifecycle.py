"""The commands up, down and status: the parts of the lab, and the order in which they start."""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from openstack.connection import Connection

from lab import contents, guest, hypervisor, layout, processes
from lab.errors import LabError, ServiceFailed
from lab.hypervisor import namespace, packages
from lab.layout import Compute, Layout
from lab.processes import Daemon
from lab.progress import Progress
from lab.services import config, database, glance, keystone, neutron, nova, placement, rabbitmq

PARTS = ("hypervisor", "guest", "cloud")
SERVICES = (rabbitmq, keystone, placement, glance, neutron, nova)
# Two databases are made at a time; the one that takes longest comes first.
DATABASES = (nova, keystone, glance, placement, neutron)
NOVA_SECONDS = 90
# By the name of a port: the daemon that listens on it, if that has another name.
PORT_OWNERS = {
    "network": "neutron",
    "nova": "nova-api",
    "rabbitmq_dist": "rabbitmq",
    "metrics-compute1": "nova-compute-compute1",
    "metrics-compute2": "nova-compute-compute2",
}


def up(lab: Layout, only: str | None = None) -> Layout:
    """Start the lab, or one part of it; a daemon that runs and is up to date goes on running.

    :param only: one of ``PARTS``
    :returns: the layout, with the ports that the lab has now
    :raises LabError: something does not start
    """
    progress = Progress()
    if only in (None, "guest"):
        with progress.step("guest: kernel and initramfs"):
            guest.ensure_built(lab)
    if only in (None, "hypervisor"):
        _hypervisor_up(lab, progress)
    if only in (None, "cloud"):
        lab = _cloud_up(lab, progress)
    return lab


def is_up(lab: Layout) -> bool:
    """Return whether nova-api runs."""
    return "nova-api" in processes.running(lab)


def start_compute(lab: Layout, compute: Compute) -> None:
    """Start a nova-compute that does not run or whose configuration has changed.

    Return when it has reported to Nova, so that its RPC server listens.
    """
    daemon = nova.compute_daemon(lab, compute)
    processes.start(lab, [daemon])
    cloud = contents.connect(lab)
    started = processes.started_at(lab, daemon)
    _wait_until(
        lab,
        [daemon],
        lambda: _reports(cloud, started, host=compute.hostname, binary="nova-compute"),
    )


@contextmanager
def with_option(lab: Layout, compute: Compute, name: str, value: object) -> Iterator[None]:
    """Run a nova-compute with an option of ``[xloud]`` for as long as the block lasts.

    It is restarted before the block and after it.
    """
    with with_options(lab, compute, {name: value}):
        yield


@contextmanager
def with_options(lab: Layout, compute: Compute, options: Mapping[str, object]) -> Iterator[None]:
    """Run a nova-compute with options of ``[xloud]`` for as long as the block lasts.

    It is restarted before the block and after it.
    """
    before = compute.nova_conf.read_text()
    compute.nova_conf.write_text(config.with_values(before, "xloud", options))
    start_compute(lab, compute)
    try:
        yield
    finally:
        compute.nova_conf.write_text(before)
        start_compute(lab, compute)


def _hypervisor_up(lab: Layout, progress: Progress) -> None:
    if hypervisor.kind() == "unpacked":
        with progress.step("hypervisor packages, unpacked beside the system") as step:
            step.note(packages.ensure_unpacked(lab))
    names = ", ".join(compute.hostname for compute in lab.computes)
    with progress.step(f"hypervisors of {names}") as step:
        _together([partial(hypervisor.start, lab, compute, step) for compute in lab.computes])


def _cloud_up(lab: Layout, progress: Progress) -> Layout:
    lab = _settle_ports(lab)
    database.install_plugin(lab.site)
    for service in SERVICES:
        service.configure(lab)
    contents.write_openrc(lab)
    with progress.step("databases"):
        _together([partial(part.create_database, lab) for part in DATABASES])
    _start(lab, progress, "rabbitmq", rabbitmq.daemons(lab))
    _start(lab, progress, "keystone", keystone.daemons(lab))
    with progress.step("people, catalog"):
        keystone_only = contents.connect(lab)
        contents.ensure_people(keystone_only, lab)
        contents.ensure_catalog(keystone_only, lab)
    rest = [*placement.daemons(lab), *glance.daemons(lab), *neutron.daemons(lab)]
    _start(lab, progress, "placement, glance, neutron", rest)
    title = "nova api, conductor, scheduler" + (" (stock)" if nova.is_stock() else "")
    _start(lab, progress, title, nova.daemons(lab))
    names = ", ".join(compute.hostname for compute in lab.computes)
    computes = [nova.compute_daemon(lab, compute) for compute in lab.computes]
    _start(lab, progress, f"nova-compute of {names}", computes)
    cloud = contents.connect(lab)
    with progress.step("images, flavors"):
        contents.ensure_images(cloud, guest.ensure_built(lab))
        contents.ensure_flavors(cloud)
    with progress.step("nova listens, computes can be scheduled to"):
        wait_for_nova(lab, cloud)
    return lab


def _together(works: Sequence[Callable[[], None]]) -> None:
    """Run the functions two at a time; raise the first error after all of them have ended."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        for future in [pool.submit(work) for work in works]:
            future.result()


def _start(lab: Layout, progress: Progress, title: str, daemons: Sequence[Daemon]) -> None:
    with progress.step(title) as step:
        if not processes.start(lab, daemons):
            step.note("ran already")


def _settle_ports(lab: Layout) -> Layout:
    """Replace ports that another program has taken, if nothing of the cloud runs.

    :raises LabError: a port is taken, and something of the cloud runs
    """
    alive = processes.running(lab).keys()
    if alive <= _hypervisor_names(lab):
        return layout.with_free_ports(lab)
    for port, number in lab.ports.items():
        if PORT_OWNERS.get(port, port) not in alive and not layout.port_is_free(number):
            raise LabError(
                f"port {number} ({port}) is taken by another program; `lab/run down` and then "
                "`lab/run up` choose other ports"
            )
    return lab


def wait_for_nova(lab: Layout, cloud: Connection) -> None:
    """Wait until Nova's services listen, and each compute is mapped to the cell and in Placement.

    A service sends its first report after it has begun to listen. That Nova has the service as up
    is not enough, because the last report may be from before the service's restart.
    """
    computes = [nova.compute_daemon(lab, compute) for compute in lab.computes]
    daemons = [*nova.daemons(lab)[1:], *computes]
    started = max(processes.started_at(lab, daemon) for daemon in daemons)
    hosts = {compute.hostname for compute in lab.computes}
    _wait_until(
        lab,
        daemons,
        lambda: _reports(cloud, started) >= len(daemons) and hosts <= _placed(cloud),
    )


def _wait_until(lab: Layout, daemons: Sequence[Daemon], ready: Callable[[], object]) -> None:
    """Wait until ``ready`` returns something true.

    :raises ServiceFailed: one of the daemons has ended, or the wait takes too long
    """
    deadline = time.monotonic() + NOVA_SECONDS
    while not ready():
        processes.check_running(lab, daemons)
        if time.monotonic() > deadline:
            raise ServiceFailed(
                f"Nova is not ready in {NOVA_SECONDS} s; see lab/run logs and, after "
                f". {lab.openrc}, openstack compute service list"
            )
        time.sleep(0.5)


def _reports(cloud: Connection, since: float, **query: str) -> int:
    """Return how many of Nova's services have reported since a time.

    :param since: seconds since 1970
    :param query: selects services, such as ``host="compute1"``
    """
    reports = [
        datetime.fromisoformat(service.updated_at).replace(tzinfo=UTC).timestamp()
        for service in cloud.compute.services(**query)
        if service.updated_at
    ]
    return sum(report >= since for report in reports)


def _placed(cloud: Connection) -> set[str]:
    """Return the hosts that are mapped to a cell, so that the API lists them, and in Placement."""
    mapped = {host.name for host in cloud.compute.hypervisors()}
    return mapped & {provider.name for provider in cloud.placement.resource_providers()}


def _hypervisor_names(lab: Layout) -> set[str]:
    return {name for compute in lab.computes for name in hypervisor.daemon_names(compute)}


def down(lab: Layout) -> None:
    """Stop all parts of the lab that run; servers, databases and logs are kept.

    The broker is stopped after Nova's services, which send messages when they stop. Guests are
    ended last.
    """
    progress = Progress()
    computes = layout.computes_found(lab.state)
    kept_for_last = {daemon.name for daemon in rabbitmq.daemons(lab)} | {
        name for compute in computes for name in hypervisor.daemon_names(compute)
    }
    services = processes.running(lab).keys() - kept_for_last
    _stop(lab, progress, "the services", services)
    for daemon in reversed(rabbitmq.daemons(lab)):
        _stop(lab, progress, daemon.name, processes.running(lab).keys() & {daemon.name})
    for compute in computes:
        if inside := namespace.members(compute):
            with progress.step(f"stop the hypervisor of {compute.hostname}") as step:
                step.note(f"{len(inside)} processes")
                hypervisor.stop(lab, compute)
    if leftover := processes.marked(lab):
        with progress.step(f"end {len(leftover)} processes that daemons left behind"):
            processes.end_processes(leftover)
    for record in lab.run.glob("*.json"):
        record.unlink()
    layout.forget_ports(lab)
    progress.say("down")


def _stop(lab: Layout, progress: Progress, title: str, names: Collection[str]) -> None:
    if names:
        with progress.step(f"stop {title}") as step:
            step.note(", ".join(sorted(processes.stop(lab, names))))


def wipe(lab: Layout) -> None:
    """Delete all servers, databases and logs but keep downloads; the lab must be down."""
    for entry in lab.state.iterdir():
        if entry == lab.cache:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def status(lab: Layout) -> bool:
    """Print which daemons run; return False if none does."""
    alive = processes.running(lab)
    for name, record in alive.items():
        print(f"{name:<24} pid {record.pid:<8} {lab.logs / name}.log")
    guests = sum(len(list(compute.qmp.glob("*.sock"))) for compute in lab.computes)
    print(f"{len(alive)} daemons, {guests} guests, state in {lab.state}")
    return bool(alive)
