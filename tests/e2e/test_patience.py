"""Guests that take their time, or do not follow at all: waited for, and then given up and said.

One server is paused before all others are made, and goes on after more than two minutes.
"""

import time
from collections.abc import Iterator

import pytest

from lab import contents, lifecycle
from lab.cloud import Answer, Cloud, Size
from lab.hypervisor.nudge import SLOW_SECONDS
from lab.layout import Layout
from lab.operations import Operations
from tests.e2e.conftest import Create
from tests.e2e.sizes import GROWN, MINIMUM, adjust, agreed, converged, settle, told
from tests.e2e.test_client import adjust as openstack_server_adjust

PAUSED = "xloud-e2e-paused"
# Balloon statistics that are older than 120 s are none.
PAUSED_SECONDS = 130.0


@pytest.fixture(scope="module", autouse=True)
def paused(cloud: Cloud, lab: Layout, operations: Operations) -> Iterator[tuple[str, float]]:
    """A server of size GROWN that is paused, and since when by time.monotonic()."""
    server = cloud.create(PAUSED, contents.DEMO.name, host=lab.computes[0].hostname)
    try:
        settle(cloud, server, MINIMUM)
        adjust(cloud, server, GROWN)
        operations.pause(server)
        yield server, time.monotonic()
    finally:
        cloud.delete_named(PAUSED)


def result(cloud: Cloud, server: str, answer: Answer) -> tuple[str, str]:
    """How the action that a request began has ended, and what it says; waits for that."""
    assert answer.status == 202, answer
    request = answer.headers["x-openstack-request-id"]

    def ended() -> list[tuple[str, str]]:
        outcomes = cloud.outcomes(server, request)
        return [(how, details) for how, details in outcomes if how is not None]

    (outcome,) = cloud.wait("the end of its action", ended)
    return outcome


def test_a_vcpu_that_comes_back_after_libvirt_has_stopped_waiting(
    cloud: Cloud, create: Create
) -> None:
    server = create(contents.DEMO.name, "xloud-slow-removal")
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, Size(2, 512))
    began = time.monotonic()
    answer = cloud.resize(server, MINIMUM)
    while cloud.claimed(server) != MINIMUM:
        assert time.monotonic() - began < 60
        time.sleep(0.2)
    # Released, and not before libvirt had it back.
    assert cloud.actuated(server) == MINIMUM
    assert time.monotonic() - began >= SLOW_SECONDS
    assert result(cloud, server, answer) == ("Success", "")
    settle(cloud, server, MINIMUM)
    converged(cloud, server)
    adjust(cloud, server, Size(2, 512))


def usable_mb(cloud: Cloud, server: str) -> int:
    """What the guest could still use, by its balloon's statistics."""
    with cloud.domain(server) as domain:
        assert domain is not None
        return int(domain.memoryStats().get("usable", 0)) // 1024


def test_a_shrink_that_the_guest_has_no_room_for_is_given_up(
    cloud: Cloud, lab: Layout, create: Create
) -> None:
    """After the second try it is to have what it has, and it starts with that."""
    compute = lab.computes[1]
    with lifecycle.with_option(lab, compute, "give_up_after", 2):
        server = create(contents.DEMO.name, "xloud-hungry", compute.hostname)
        settle(cloud, server, MINIMUM)
        adjust(cloud, server, Size(1, 1024))
        cloud.wait("the guest to use its memory", lambda: 0 < usable_mb(cloud, server) < 200)
        how, details = result(cloud, server, cloud.resize(server, MINIMUM))
        assert how == "Error", details
        assert "the guest's next start has 512 MiB" in details
        cloud.wait("it to be given up", lambda: "GaveUp" in cloud.conditions(server))
    status = cloud.xloud_status(server).body["xloud_status"]
    kept = Size(1, status["memory_mb"]["desired"])
    assert kept.memory_mb > MINIMUM.memory_mb
    settle(cloud, server, kept)
    assert cloud.configured(server) == kept
    told(cloud, server, Converged="xloud.converged", GaveUp="xloud.gave_up.memory_floor")
    shown = openstack_server_adjust(lab, "show", server).stdout
    assert "GaveUp" in shown


def test_shrunk_at_once_after_a_long_pause(
    cloud: Cloud, operations: Operations, paused: tuple[str, float]
) -> None:
    server, since = paused
    time.sleep(max(0.0, since + PAUSED_SECONDS - time.monotonic()))
    assert cloud.claimed(server) == GROWN
    operations.unpause(server)
    answer = cloud.resize(server, MINIMUM)
    assert result(cloud, server, answer) == ("Success", "")
    assert cloud.settle(server, agreed(MINIMUM)) == agreed(MINIMUM)
    converged(cloud, server)
