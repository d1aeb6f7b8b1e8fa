"""nova-compute is killed with SIGKILL; what it was doing is finished by the next one."""

from collections.abc import Iterator

import pytest

from lab import faults, lifecycle
from lab.cloud import Answer, Cloud, Size
from lab.layout import Layout
from tests.e2e.sizes import MINIMUM, converged, settle

LARGE = Size(3, 1024)


@pytest.fixture
def nova_compute(lab: Layout) -> Iterator[str]:
    """The name of the daemon, which runs again after the test."""
    compute = lab.computes[0]
    yield compute.daemon("nova-compute")
    lifecycle.start_compute(lab, compute)


def killed_when_admitted(lab: Layout, cloud: Cloud, server: str, size: Size, name: str) -> Answer:
    """Ask for a size, and SIGKILL nova-compute once the answer has come.

    The guest is frozen first, so that it cannot have followed.
    """
    emulator = cloud.emulator(server)
    answer = cloud.resize(server, size)
    with faults.frozen(emulator):
        faults.kill(lab, name)
    return answer


def test_killed_between_admission_and_convergence(
    cloud: Cloud, lab: Layout, server: str, nova_compute: str
) -> None:
    settle(cloud, server, MINIMUM)
    # Growing, what is claimed is claimed already; shrinking, nothing is released yet.
    for size in (LARGE, MINIMUM):
        answer = killed_when_admitted(lab, cloud, server, size, nova_compute)
        assert answer.status == 202
        assert cloud.claimed(server) == LARGE
        assert cloud.actuated(server) != size
        request = answer.headers["x-openstack-request-id"]
        assert {result for result, _ in cloud.outcomes(server, request)} <= {None}

        lifecycle.start_compute(lab, lab.computes[0])
        settle(cloud, server, size)
        cloud.wait(
            "the action's outcome",
            lambda request=request: ("Success", "") in cloud.outcomes(server, request),
        )
        converged(cloud, server)
