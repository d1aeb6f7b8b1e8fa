"""The size after Nova's operations on one host: what it was, or what was asked for to be kept.

Stop and start, and hard reboot from a size that is kept, are in test_lifecycle.py.
"""

from collections.abc import Callable

from lab import contents, hypervisor, lifecycle, processes
from lab.cloud import Cloud
from lab.layout import Layout
from lab.operations import Operations
from lab.progress import Step
from tests.e2e.conftest import NAME
from tests.e2e.sizes import FOR_NOW, GROWN, MINIMUM, adjust, grow, settle


def test_operations_that_leave_the_size_as_it_is(
    cloud: Cloud, operations: Operations, server: str
) -> None:
    grow(cloud, server)
    do = operations
    for there, back in (
        (do.lock, do.unlock),
        (do.pause, do.unpause),
        (do.suspend, do.resume),
        (lambda server: do.snapshot(server, f"{NAME}-snapshot"), None),
        (do.soft_reboot, None),
    ):
        there(server)
        assert cloud.claimed(server) == GROWN
        if back:
            back(server)
        settle(cloud, server, GROWN)


def test_rescued_and_back(cloud: Cloud, operations: Operations, server: str) -> None:
    grow(cloud, server)
    for operation in (operations.rescue, operations.unrescue):
        boot = cloud.boot(server)
        operation(server)
        assert cloud.boot(server) != boot
        settle(cloud, server, GROWN)


def test_size_that_is_not_kept_ends_where_the_guest_starts_anew(
    cloud: Cloud, operations: Operations, server: str
) -> None:
    grow(cloud, server)
    starts: tuple[Callable[[str], None], ...] = (
        lambda server: operations.rebuild(server, contents.IMAGE),
        operations.hard_reboot,
    )
    for start in starts:
        adjust(cloud, server, FOR_NOW, persist=False)
        boot = cloud.boot(server)
        start(server)
        assert cloud.boot(server) != boot
        settle(cloud, server, GROWN)


def test_restarts_of_nova_compute_and_libvirtd_leave_the_guest_alone(
    cloud: Cloud, lab: Layout, operations: Operations, server: str
) -> None:
    grow(cloud, server)
    boot = cloud.boot(server)
    compute = next(each for each in lab.computes if each.hostname == cloud.host(server))
    processes.stop(lab, [compute.daemon("nova-compute")])
    lifecycle.start_compute(lab, compute)
    settle(cloud, server, GROWN)

    processes.stop(lab, [compute.daemon("libvirtd")])
    hypervisor.start(lab, compute, Step("libvirtd again"))
    # Nova has set the host aside until it has its libvirtd again.
    operations.wait_enabled(compute.hostname)
    assert cloud.boot(server) == boot
    settle(cloud, server, GROWN)
    adjust(cloud, server, MINIMUM)
