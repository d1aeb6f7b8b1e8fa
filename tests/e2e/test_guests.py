"""Guests that do not follow an adjustment keep their claim, and the status says why."""

import pytest

from lab.cloud import Answer, Cloud, Size, Witnesses
from lab.operations import Operations
from tests.e2e.conftest import Create
from tests.e2e.sizes import GROWN, MINIMUM, agreed, converged, settle, told

FLAVOR = "xloud.demo"


def ask(cloud: Cloud, server: str, size: Size) -> Answer:
    answer = cloud.resize(server, size)
    assert answer.status == 202, answer
    return answer


def wait_refused(cloud: Cloud, server: str, answer: Answer) -> str:
    """Wait until the guest is said to have refused; returns what the action's event says."""

    def failed() -> list[str]:
        outcomes = cloud.outcomes(server, answer.headers["x-openstack-request-id"])
        return [details for result, details in outcomes if result == "Error"]

    (details,) = cloud.wait("its event", failed)
    cloud.wait("GuestRefused", lambda: "GuestRefused" in cloud.conditions(server))
    return details


def test_without_a_balloon_driver_it_is_claimed_what_it_holds(cloud: Cloud, create: Create) -> None:
    server = create(FLAVOR, "xloud-no-balloon")
    assert cloud.claimed(server) == MINIMUM
    holds = Size(1, 1024)
    settle(cloud, server, holds)
    cloud.wait("BalloonNotEffective", lambda: "BalloonNotEffective" in cloud.conditions(server))
    assert cloud.conditions(server)["BalloonNotEffective"] == "xloud.balloon.no_driver"

    details = wait_refused(cloud, server, ask(cloud, server, Size(2, 640)))
    assert "1024" in details
    grown = agreed(Size(2, 1024))
    assert cloud.settle(server, grown) == grown


@pytest.mark.parametrize(
    ("image", "online"), [("xloud-no-online", 1), ("xloud-no-online-agent", 3)]
)
def test_cpus_that_the_guest_leaves_offline(
    cloud: Cloud, create: Create, image: str, online: int
) -> None:
    """Its agent brings them online; without one nobody can, nor can anybody know."""
    server = create(FLAVOR, image)
    settle(cloud, server, MINIMUM)
    ask(cloud, server, GROWN)
    expected = Witnesses(GROWN, GROWN, Size(online, GROWN.memory_mb))
    assert cloud.settle(server, expected) == expected
    converged(cloud, server)
    ask(cloud, server, MINIMUM)
    settle(cloud, server, MINIMUM)


@pytest.mark.parametrize(
    ("image", "online"), [("xloud-no-removal", 3), ("xloud-no-removal-agent", 1)]
)
def test_removal_that_times_out_keeps_its_claim(
    cloud: Cloud, operations: Operations, create: Create, image: str, online: int
) -> None:
    """With an agent the CPUs are at least offline, which nothing enforces: claimed all the same."""
    server = create(FLAVOR, image)
    settle(cloud, server, MINIMUM)
    ask(cloud, server, GROWN)
    settle(cloud, server, GROWN)

    details = wait_refused(cloud, server, ask(cloud, server, MINIMUM))
    assert "stays claimed" in details
    left = Size(3, 512)
    expected = Witnesses(left, left, Size(online, 512))
    assert cloud.settle(server, expected) == expected
    assert "RemovalUnsettled" in cloud.conditions(server)
    # One vCPU more could crash this guest.
    refused = cloud.resize(server, Size(4, 512))
    assert (refused.status, refused.message.split(":")[0]) == (
        409,
        "xloud.blocked.removal_unsettled",
    )
    assert cloud.witnesses(server) == expected

    # Its next start settles it.
    operations.stop(server)
    operations.start(server)
    settle(cloud, server, MINIMUM)
    converged(cloud, server)


@pytest.mark.parametrize(
    ("image", "true"),
    [
        (
            "xloud-agent-lies",
            {
                "GuestRefused": "xloud.guest_refused.vcpus_not_online",
                "CpusNotOnline": "xloud.cpus_not_online",
            },
        ),
        ("xloud-agent-hangs", {"Converged": "xloud.converged"}),
    ],
)
def test_agent_that_lies_or_hangs_changes_no_claim(
    cloud: Cloud, create: Create, image: str, true: dict[str, str]
) -> None:
    """``make guests`` has these and all other guests that do not cooperate, on demand."""
    server = create(FLAVOR, image)
    settle(cloud, server, MINIMUM)
    ask(cloud, server, GROWN)
    settle(cloud, server, GROWN)
    told(cloud, server, **true)
    ask(cloud, server, MINIMUM)
    settle(cloud, server, MINIMUM)
    converged(cloud, server)
