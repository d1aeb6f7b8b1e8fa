"""More guests boot on a full host than it can hold if they keep what they boot with."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.cloud import Cloud, Size, Witnesses
from lab.layout import Layout
from tests.e2e.checker import Checker
from tests.e2e.conftest import NAME, Create

FILLER = "xloud-e2e-filler"
MINIMUM = Size(1, 512)
HOLDS = Size(1, 1024)


def free_memory(cloud: Cloud, host: str) -> int:
    """MiB that Placement would still give away on a host."""
    placement = cloud.connection.placement
    (provider,) = placement.resource_providers(name=host)
    path = f"/resource_providers/{provider.id}"
    inventory = placement.get(f"{path}/inventories").json()["inventories"]["MEMORY_MB"]
    used = placement.get(f"{path}/usages").json()["usages"]["MEMORY_MB"]
    capacity = (inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"]
    return int(capacity) - int(used)


@contextmanager
def filled(cloud: Cloud, host: str, leave: int) -> Iterator[None]:
    """Have a server there that takes all memory but ``leave`` MiB.

    It has nothing to boot from, so it uses none of it.
    """
    compute, image = cloud.connection.compute, cloud.connection.image
    size = free_memory(cloud, host) - leave
    flavor = compute.create_flavor(name=FILLER, vcpus=1, ram=size, disk=1)
    disk = cloud.connection.create_image(
        FILLER, data=bytes(1 << 20), disk_format="raw", container_format="bare", use_import=False
    )
    try:
        server = cloud.create(FILLER, FILLER, FILLER, host)
        try:
            yield
        finally:
            cloud.delete(server)
    finally:
        image.delete_image(disk)
        compute.delete_flavor(flavor)


def test_boot_storm_is_an_alarm_until_there_is_room(
    cloud: Cloud, lab: Layout, create: Create, invariants: Checker
) -> None:
    compute = lab.computes[0]
    log = lab.logs / f"{compute.daemon('nova-compute')}.log"
    read = log.stat().st_size

    def has_alarm(server: str) -> bool:
        """Both for who looks at the server and for who looks at the log."""
        lines = log.read_bytes()[read:].decode().splitlines()
        logged = any(
            all(word in line for word in (" ERROR ", server, "xloud.reserved_too_little"))
            for line in lines
        )
        return logged and "ReservedTooLittle" in cloud.conditions(server)

    with filled(cloud, compute.hostname, leave=2 * MINIMUM.memory_mb + 100):
        # They are asked for at once, and keep what they boot with: they have no balloon driver.
        host = compute.hostname
        asked = [
            cloud.ask_for_server(NAME, "xloud.demo", "xloud-no-balloon", host) for _ in range(2)
        ]
        servers = [answer.body["server"]["id"] for answer in asked]
        for server in servers:
            cloud.wait_status(server, "ACTIVE")
            assert cloud.claimed(server) == MINIMUM
        for server in servers:
            cloud.wait("the alarm", lambda server=server: has_alarm(server))
        verdict = invariants.ask("--settle=1")
        assert verdict.code == 1, verdict.text
        for server in servers:
            assert server in verdict.text
            assert cloud.claimed(server) == MINIMUM
    # There is room again, and nobody has to say so.
    holds = Witnesses(HOLDS, HOLDS, HOLDS)
    for server in servers:
        assert cloud.settle(server, holds) == holds
        # It is asked once more to give back what it may not keep, and does not.
        cloud.wait("GuestRefused", lambda server=server: "GuestRefused" in cloud.conditions(server))
        cloud.wait(
            "the alarm to be over",
            lambda server=server: "ReservedTooLittle" not in cloud.conditions(server),
        )
