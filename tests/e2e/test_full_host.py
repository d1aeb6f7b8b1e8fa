"""More guests boot on a full host than it can hold if they keep what they boot with."""

from lab.checker import Checker
from lab.cloud import Cloud, Size
from lab.filler import filled
from lab.layout import Layout
from tests.e2e.conftest import NAME, Create
from tests.e2e.sizes import MINIMUM, agreed

HOLDS = Size(1, 1024)


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
    holds = agreed(HOLDS)
    for server in servers:
        assert cloud.settle(server, holds) == holds
        # It is asked once more to give back what it may not keep, and does not.
        cloud.wait("GuestRefused", lambda server=server: "GuestRefused" in cloud.conditions(server))
        cloud.wait(
            "the alarm to be over",
            lambda server=server: "ReservedTooLittle" not in cloud.conditions(server),
        )
