# SPDX-License-Identifier: Apache-2.0
"""What a compute host answers over RPC."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nova_xloud import errors
from nova_xloud.compute.admit import Admission
from nova_xloud.compute.deadline import Deadline, HostClock
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.rpc.endpoint import XloudEndpoint


class Host:
    """Answers, or raises, the same to every call.

    :ivar calls: name and arguments of each
    """

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.clock = HostClock(lambda: 1000.0, "c1")
        self.calls: list[tuple[Any, ...]] = []

    def _answered(self, *call: Any) -> Any:
        self.calls.append(call)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def adjust(self, *arguments: Any) -> Any:
        return self._answered("adjust", *arguments)

    def plan(self, *arguments: Any) -> Any:
        return self._answered("plan", *arguments)

    def reserve(self, *arguments: Any) -> Any:
        return self._answered("reserve", *arguments)

    def unreserve(self, *arguments: Any) -> Any:
        return self._answered("unreserve", *arguments)

    def status(self, *arguments: Any) -> Any:
        return self._answered("status", *arguments)

    def hotplug_vcpus(self, *arguments: Any) -> Any:
        return self._answered("hotplug_vcpus", *arguments)

    def guests(self, *arguments: Any) -> Any:
        return self._answered("guests", *arguments)


def endpoint(answer: Any) -> tuple[XloudEndpoint, Host]:
    host = Host(answer)
    return XloudEndpoint(host), host  # type: ignore[arg-type]


INF = float("inf")
INSTANCE = SimpleNamespace(uuid="b1a5")
SIZES: dict[str, Any] = {"vcpus": 3, "memory_mb": None, "persist": False}
CALLS: dict[str, dict[str, Any]] = {
    "adjust": {**SIZES, "answer_within": 48.0},
    "plan": {**SIZES, "force": False},
    "reserve": {**SIZES, "force": False},
    "unreserve": {},
    "status": {},
    "hotplug_vcpus": {"new_count": 3},
}


def call(name: str, answer: Any) -> dict[str, Any]:
    method = getattr(endpoint(answer)[0], name)
    answered: dict[str, Any] = method("context", instance=INSTANCE, **CALLS[name])
    return answered


def test_it_has_a_namespace_and_version_of_its_own() -> None:
    assert (XloudEndpoint.target.namespace, XloudEndpoint.target.version) == ("xloud", "1.6")


def test_adjust_answers_generation_and_whether_there_was_anything_to_do() -> None:
    assert call("adjust", Admission(7, False)) == {
        "result": {"generation": 7, "nothing_to_do": False}
    }


def test_adjust_asks_for_what_it_was_asked() -> None:
    ours, host = endpoint(Admission(1, False))
    ours.adjust(
        "context", instance=INSTANCE, vcpus=3, memory_mb=768, persist=False, answer_within=48.0
    )
    assert host.calls == [("adjust", "context", INSTANCE, AdjustRequest(3, 768, False), 48.0, None)]


def test_a_caller_of_1_0_does_not_say_force_and_one_of_1_1_does() -> None:
    ours, host = endpoint(Admission(1, False))
    arguments = {"vcpus": 3, "memory_mb": 768, "persist": True, "answer_within": 48.0}
    ours.adjust("context", instance=INSTANCE, **arguments)
    ours.adjust("context", instance=INSTANCE, **arguments, force=True)
    assert [call[3] for call in host.calls] == [
        AdjustRequest(3, 768, True, force=False),
        AdjustRequest(3, 768, True, force=True),
    ]


@pytest.mark.parametrize("force", [True, False])
def test_a_plan_is_asked_for_what_it_was_asked_and_answered_as_it_is(force: bool) -> None:
    ours, host = endpoint({"steps": []})
    answer = ours.plan(
        "context", instance=INSTANCE, vcpus=3, memory_mb=768, persist=False, force=force
    )
    assert answer == {"result": {"steps": []}}
    assert host.calls == [("plan", "context", INSTANCE, AdjustRequest(3, 768, False, force))]


def test_a_reservation_is_of_what_was_asked_and_answers_nothing() -> None:
    ours, host = endpoint(None)
    arguments = {"vcpus": 3, "memory_mb": 768, "persist": False, "force": True}
    assert ours.reserve("context", instance=INSTANCE, **arguments) == {"result": None}
    assert ours.unreserve("context", instance=INSTANCE) == {"result": None}
    assert host.calls == [
        ("reserve", "context", INSTANCE, AdjustRequest(3, 768, False, True), INF, None),
        ("unreserve", "context", INSTANCE),
    ]


@pytest.mark.parametrize(
    ("name", "more"),
    [("adjust", {**SIZES, "answer_within": 48.0}), ("reserve", {**SIZES, "force": False}),
     ("hotplug_vcpus", {"new_count": 3})],
)  # fmt: skip
def test_a_caller_of_1_4_names_a_time_of_the_hosts_clock(name: str, more: dict[str, Any]) -> None:
    ours, host = endpoint(Admission(1, False))
    answer = ours.now("context", instance=INSTANCE)
    assert answer == {"result": {"clock": "c1", "seconds": 1000.0}}
    by = {**answer["result"], "seconds": 1030.0}
    getattr(ours, name)(
        "context", instance=INSTANCE, **{**more, "answer_within": 9.0}, answer_by=by
    )
    assert host.calls[0][-2:] == (9.0, Deadline("c1", 1030.0))


def test_status_is_answered_as_it_is() -> None:
    assert call("status", {"current_vcpus": 3}) == {"result": {"current_vcpus": 3}}


def test_hotplug_answers_nothing_when_it_is_done() -> None:
    ours, host = endpoint(None)
    assert ours.hotplug_vcpus("context", instance=INSTANCE, new_count=3) == {"result": None}
    assert host.calls == [("hotplug_vcpus", "context", INSTANCE, 3, INF, None)]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("error", "code", "status", "message"),
    [
        (errors.NoCapacity("full"), "xloud.no_capacity", 409, "full"),
        (errors.OutOfBounds("9 vCPUs"), "xloud.out_of_bounds", 400, "9 vCPUs"),
        (errors.NotFound("gone"), "xloud.not_found", 404, "gone"),
        (errors.Blocked("no_balloon", "why"), "xloud.blocked.no_balloon", 409, "why"),
        (errors.PlacementUnavailable("away"), "xloud.placement_unavailable", 503, "away"),
        (
            errors.GuestRefused("xloud.guest_refused.not_in_time", "kept it"),
            "xloud.guest_refused.not_in_time",
            409,
            "kept it",
        ),
    ],
)
def test_a_refusal_is_an_answer(
    name: str, error: Exception, code: str, status: int, message: str
) -> None:
    assert call(name, error) == {"refused": {"code": code, "status": status, "message": message}}


@pytest.mark.parametrize("name", CALLS)
def test_a_hypervisor_that_does_not_answer_is_an_unavailable_host(name: str) -> None:
    answer = call(name, errors.DomainCallFailed("cannot acquire state change lock"))
    assert answer["refused"]["code"] == "xloud.host_unavailable"
    assert "cannot acquire state change lock" in answer["refused"]["message"]


@pytest.mark.parametrize("name", CALLS)
def test_a_fault_of_ours_is_not_dressed_up_as_a_refusal(name: str) -> None:
    with pytest.raises(ZeroDivisionError):
        call(name, ZeroDivisionError())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"one": {}}, {"result": {"one": {}}}),
        (
            errors.HostUnavailable("too many"),
            {"refused": errors.HostUnavailable("too many").to_wire()},
        ),
        (
            errors.DomainCallFailed("lost"),
            {
                "refused": errors.HostUnavailable(
                    "libvirt failed on the server's compute host: lost"
                ).to_wire()
            },
        ),
    ],
)
def test_what_all_guests_hold_is_asked_of_no_instance(answer: Any, told: dict[str, Any]) -> None:
    asked, host = endpoint(answer)
    assert asked.guests("context", ["one"]) == told
    assert host.calls == [("guests", ["one"])]
