# SPDX-License-Identifier: Apache-2.0
"""nova-conductor's answer to a compute host that asks for the quota."""

from __future__ import annotations

from typing import Any

import oslo_messaging as messaging
import pytest

from nova_xloud.core.size import Size
from nova_xloud.errors import NotFound, QuotaExceeded, Refused
from nova_xloud.rpc import conductor
from nova_xloud.rpc.conductor import ConductorAPI, ConductorEndpoint

UNKNOWN = "xloud.growth_deferred.quota_unknown"


def answer(refusal: Refused | None = None, error: Exception | None = None, **asked: Any) -> Any:
    calls = []

    def check(context: Any, uuid: str, size: Size) -> Refused | None:
        calls.append((uuid, size))
        if error is not None:
            raise error
        return refusal

    arguments = {"uuid": "a", "vcpus": 3, "memory_mb": 768} | asked
    return ConductorEndpoint(check).check_growth("context", **arguments), calls


def test_growth_that_fits_has_no_refusal() -> None:
    assert answer() == ({"result": None}, [("a", Size(3, 768))])


def test_growth_that_does_not_fit_is_refused_with_the_numbers() -> None:
    told, _ = answer(QuotaExceeded("cores: 1 too many"))
    assert told["refused"]["code"] == "xloud.quota"
    assert Refused.from_wire(told["refused"]).message == "cores: 1 too many"


def test_instance_that_is_gone_is_refused() -> None:
    told, _ = answer(error=NotFound("instance a was deleted"))
    assert told["refused"]["code"] == "xloud.not_found"


def test_quota_that_cannot_be_read_is_unknown_and_not_unlimited() -> None:
    told, _ = answer(error=RuntimeError("no [api_database] connection"))
    assert told["refused"]["code"] == UNKNOWN
    assert "RuntimeError" in told["refused"]["message"]


@pytest.mark.parametrize(
    "asked", [{"vcpus": "3"}, {"vcpus": True}, {"memory_mb": None}, {"uuid": 7}, {"uuid": None}]
)
def test_arguments_of_another_type_are_refused_before_anything_is_read(
    asked: dict[str, Any],
) -> None:
    told, calls = answer(**asked)
    assert told["refused"]["code"] == "xloud.invalid"
    assert calls == []


class Wire:
    """Stands for oslo.messaging: it answers, or fails, as a test says."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[Any] = []

    def prepare(self, **options: Any) -> Wire:
        self.calls.append(options)
        return self

    def call(self, context: Any, method: str, **arguments: Any) -> Any:
        self.calls.append((method, arguments))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def asked(monkeypatch: pytest.MonkeyPatch, answer: Any) -> Wire:
    wire = Wire(answer)
    monkeypatch.setattr(conductor.rpc, "get_client", lambda target, serializer: wire)
    ConductorAPI().check_growth("context", "a", Size(3, 768))
    return wire


def test_compute_host_asks_in_the_version_that_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = asked(monkeypatch, {"result": None})
    assert wire.calls == [
        {"version": "1.6", "timeout": 10},
        ("check_growth", {"uuid": "a", "vcpus": 3, "memory_mb": 768}),
    ]


def test_refusal_of_the_quota_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = QuotaExceeded("cores: 1 too many").to_wire()
    with pytest.raises(QuotaExceeded, match="cores: 1 too many"):
        asked(monkeypatch, {"refused": refused})


@pytest.mark.parametrize(
    "error",
    [
        messaging.MessagingTimeout(),
        messaging.RemoteError("UnsupportedVersion", "no xloud here"),
        messaging.MessageDeliveryFailure("no broker"),
    ],
    ids=["silent", "stock", "no broker"],
)
def test_conductor_that_cannot_answer_leaves_the_quota_unknown(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(Refused) as caught:
        asked(monkeypatch, error)
    assert caught.value.reason_code == UNKNOWN
