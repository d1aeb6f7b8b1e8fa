"""The size of a server that moves to the other host: claimed there before it has it.

What a migration holds on the host that is left is its own claim, not the server's.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import libvirt
import pytest

from lab import faults, hypervisor, lifecycle
from lab.cloud import Cloud, Size
from lab.layout import Compute, Layout
from lab.operations import Operations
from tests.e2e.conftest import Create
from tests.e2e.sizes import FOR_NOW, GROWN, MINIMUM, adjust, grow, held, settle

NOTHING = Size(0, 0)
# The minimum of the flavor xloud.big.
BIG = Size(2, 1024)


@pytest.fixture
def here(lab: Layout) -> str:
    """The host on which servers are made."""
    return lab.computes[0].hostname


@pytest.fixture
def there(lab: Layout) -> str:
    return lab.computes[1].hostname


def knows_domain(compute: Compute, server: str) -> bool:
    connection = libvirt.open(hypervisor.connect_uri(compute))
    try:
        return any(domain.UUIDString() == server for domain in connection.listAllDomains())
    finally:
        connection.close()


@pytest.mark.parametrize("persist", [True, False])
def test_live_migration_takes_the_live_size_along(
    cloud: Cloud,
    lab: Layout,
    operations: Operations,
    server: str,
    here: str,
    there: str,
    persist: bool,
) -> None:
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, GROWN, persist)
    boot_uptime = cloud.report(server)
    seen = []
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(operations.live_migrate, server, there)
        while not moving.done():
            if knows_domain(lab.computes[1], server):
                seen.append(Cloud(lab).claims(server).get(there))
        moving.result()
    # Looked at while the target had the guest, and always it was claimed.
    assert set(seen) == {GROWN}
    assert cloud.claims(server) == {there: GROWN}
    settle(cloud, server, GROWN)
    held(cloud, **{here: NOTHING})
    told = cloud.report(server)
    assert boot_uptime is not None
    assert told is not None
    assert told.uptime > boot_uptime.uptime

    adjust(cloud, server, FOR_NOW)
    adjust(cloud, server, MINIMUM)
    operations.live_migrate(server, here)
    settle(cloud, server, MINIMUM)
    held(cloud, **{here: MINIMUM, there: NOTHING})


def test_cold_migration_takes_the_size_that_is_kept(
    cloud: Cloud, operations: Operations, server: str, here: str, there: str
) -> None:
    grow(cloud, server)
    adjust(cloud, server, FOR_NOW, persist=False)
    operations.cold_migrate(server, there)
    assert cloud.claims(server) == {there: GROWN}
    settle(cloud, server, GROWN)
    operations.revert(server)
    # What it held before comes back with it; the guest starts with what is kept.
    settle(cloud, server, GROWN)
    assert cloud.claims(server) == {here: GROWN}
    held(cloud, **{there: NOTHING})

    operations.cold_migrate(server, there)
    operations.confirm(server)
    assert cloud.claims(server) == {there: GROWN}
    settle(cloud, server, GROWN)
    held(cloud, **{here: NOTHING})


def test_shelved_and_unshelved_on_the_other_host(
    cloud: Cloud, operations: Operations, server: str, here: str, there: str
) -> None:
    grow(cloud, server)
    operations.shelve(server)
    assert cloud.claims(server) == {}
    held(cloud, **{here: NOTHING})
    operations.unshelve(server, there)
    assert cloud.claims(server) == {there: GROWN}
    settle(cloud, server, GROWN)
    adjust(cloud, server, MINIMUM)


def test_resize_begins_with_the_minimum_of_the_new_flavor(
    cloud: Cloud, operations: Operations, server: str, here: str, there: str
) -> None:
    grow(cloud, server)
    with operations.disabled(here):
        operations.resize(server, "xloud.big")
    assert cloud.claims(server) == {there: BIG}
    settle(cloud, server, BIG)
    operations.revert(server)
    assert cloud.claims(server) == {here: GROWN}
    settle(cloud, server, GROWN)
    held(cloud, **{there: NOTHING})

    with operations.disabled(there):
        operations.resize(server, "xloud.big")
    assert cloud.claims(server) == {here: BIG}
    settle(cloud, server, BIG)
    operations.confirm(server)
    held(cloud, **{here: BIG})
    adjust(cloud, server, Size(5, 1280))
    cloud.delete(server)
    held(cloud, **{here: NOTHING, there: NOTHING})


def bring_back(lab: Layout, operations: Operations, compute: Compute) -> None:
    """Start the host first: Nova lets nobody say that it is up before it has checked its guests."""
    lifecycle.start_compute(lab, compute)
    operations.force_down(compute.hostname, False)
    operations.wait_enabled(compute.hostname)


@pytest.fixture
def crashed(lab: Layout, operations: Operations) -> Iterator[Compute]:
    """The host that a test lets crash; afterwards it is back."""
    compute = lab.computes[1]
    yield compute
    bring_back(lab, operations, compute)


def test_evacuated_with_the_size_that_is_kept(
    cloud: Cloud,
    lab: Layout,
    operations: Operations,
    create: Create,
    crashed: Compute,
    here: str,
) -> None:
    there = crashed.hostname
    server = create("xloud.demo", host=there)
    grow(cloud, server)
    adjust(cloud, server, FOR_NOW, persist=False)
    faults.crash(lab, crashed)
    operations.force_down(there, True)
    operations.evacuate(server, here)
    assert cloud.claims(server)[here] == GROWN

    # The claim on the host that crashed stands until that host is back and has read its guests.
    bring_back(lab, operations, crashed)
    cloud.wait("the claim to be gone", lambda: cloud.used(there) == NOTHING)
    settle(cloud, server, GROWN)
    assert not knows_domain(crashed, server)
