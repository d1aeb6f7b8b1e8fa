"""What is refused changes nothing: not the claim, not the domain, not the guest."""

import uuid

import pytest

from lab.cloud import Answer, Cloud, Size
from lab.soak.seat import MALFORMED
from tests.e2e.sizes import MINIMUM, agreed

UNTOUCHED = agreed(MINIMUM)

OUT_OF_BOUNDS = [
    {"current_vcpus": 33},
    {"current_memory_mb": 1025},
    {"current_memory_mb": 511},
    # One good size does not carry the other.
    {"current_vcpus": 3, "current_memory_mb": 2048},
]


def refused(answer: Answer, status: int, code: str = "") -> None:
    assert answer.status == status, answer
    assert code in answer.message


def test_requests_that_are_refused_change_nothing(cloud: Cloud, server: str) -> None:
    assert cloud.settle(server, UNTOUCHED) == UNTOUCHED
    for body in MALFORMED:
        refused(cloud.adjust(server, body), 400, "xloud.invalid")
    for body in OUT_OF_BOUNDS:
        refused(cloud.adjust(server, body), 400, "xloud.out_of_bounds")
    assert cloud.witnesses(server) == UNTOUCHED


def test_locked_server(cloud: Cloud, server: str) -> None:
    assert cloud.settle(server, UNTOUCHED) == UNTOUCHED
    compute = cloud.connection.compute
    compute.lock_server(server)
    refused(cloud.resize(server, Size(2, 768)), 409)
    assert cloud.witnesses(server) == UNTOUCHED
    compute.unlock_server(server)
    assert cloud.resize(server, Size(2, 768)).status == 202


def test_suspended_server(cloud: Cloud, server: str) -> None:
    cloud.connection.compute.suspend_server(server)
    cloud.wait_status(server, "SUSPENDED")
    refused(cloud.resize(server, Size(2, 768)), 409)
    assert cloud.claimed(server) == MINIMUM


@pytest.mark.usefixtures("lab")
def test_unknown_server(cloud: Cloud) -> None:
    unknown = str(uuid.uuid4())
    refused(cloud.resize(unknown, MINIMUM), 404)
    refused(cloud.xloud_status(unknown), 404)
