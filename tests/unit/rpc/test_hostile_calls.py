# SPDX-License-Identifier: Apache-2.0
"""Arguments that nova-api never sends are refused before the engine is asked anything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.compute.admit import Admission
from nova_xloud.compute.deadline import Deadline, HostClock
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import Invalid
from nova_xloud.rpc.endpoint import XloudEndpoint

INSTANCE = SimpleNamespace(uuid="b1a5")
CALLS: dict[str, dict[str, Any]] = {
    "adjust": {"vcpus": 3, "memory_mb": 768, "persist": True, "answer_within": 48.0},
    "plan": {"vcpus": 3, "memory_mb": 768, "persist": True, "force": False},
    "reserve": {"vcpus": 3, "memory_mb": 768, "persist": True, "force": False},
    "hotplug_vcpus": {"new_count": 3},
}
NO_SIZE = ["3", 3.0, 2.5, True, float("nan"), [3], {"vcpus": 3}, b"3"]
NO_SWITCH = ["true", 1, 0, None, "", []]
NO_MODE = ["ON", "", "sometimes", True, 1, [], {}, b"on"]
NO_TIME = ["48", None, float("nan"), True, [1.0], 10**400]
NO_DEADLINE = [
    *("now", 5, [], {}, {"clock": "c1"}, {"seconds": 1.0}),
    *({"clock": 1, "seconds": 1.0}, {"clock": "c1", "seconds": "1"}),
    {"clock": "c1", "seconds": float("nan")},
    {"clock": "c1", "seconds": 10**400},
]
NO_INSTANCE = [None, "b1a5", {"uuid": "b1a5"}, 7, SimpleNamespace(), SimpleNamespace(uuid=None)]
NO_INSTANCE += [SimpleNamespace(uuid="b1a5\nforged")]
SIZES = ("adjust", "plan", "reserve")
TIMES = ("adjust", "reserve", "hotplug_vcpus")
WRONG = {
    "vcpus": (NO_SIZE, SIZES),
    "memory_mb": (NO_SIZE, SIZES),
    "new_count": ([None, *NO_SIZE], ("hotplug_vcpus",)),
    "persist": (NO_SWITCH, SIZES),
    "force": (NO_SWITCH, SIZES),
    "autoscale": (NO_MODE, SIZES),
    "answer_within": (NO_TIME, TIMES),
    "answer_by": (NO_DEADLINE, TIMES),
    "instance": (NO_INSTANCE, CALLS),
}
FORGED = [
    (name, value, method)
    for name, (values, methods) in WRONG.items()
    for value in values
    for method in methods
]


class Engine:
    """Takes every call; :ivar calls: their names and arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.clock = HostClock(lambda: 1000.0, "c1")

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return Admission(1, False)

        return call


def call(method: str, **forged: Any) -> tuple[dict[str, Any], Engine]:
    engine = Engine()
    arguments = {"instance": INSTANCE, **CALLS[method], **forged}
    answer = getattr(XloudEndpoint(engine), method)("context", **arguments)  # type: ignore[arg-type]
    return answer, engine


@pytest.mark.parametrize(("name", "value", "method"), FORGED)
def test_a_forged_argument_is_refused_and_nothing_is_asked(
    name: str, value: Any, method: str
) -> None:
    answer, engine = call(method, **{name: value})
    assert answer["refused"]["code"] == "xloud.invalid"
    assert answer["refused"]["status"] == 400
    assert name in answer["refused"]["message"]
    assert engine.calls == []


@pytest.mark.parametrize("method", ["unreserve", "status", "now"])
@pytest.mark.parametrize("instance", NO_INSTANCE)
def test_a_call_of_no_instance_is_refused(method: str, instance: Any) -> None:
    engine = Engine()
    answer = getattr(XloudEndpoint(engine), method)("context", instance)  # type: ignore[arg-type]
    assert answer["refused"]["code"] == "xloud.invalid"
    assert engine.calls == []


@pytest.mark.parametrize("uuids", [None, "b1a5", {"b1a5": 1}, [1], [None], [["b1a5"]]])
def test_guests_of_no_list_are_refused(uuids: Any) -> None:
    engine = Engine()
    answer = XloudEndpoint(engine).guests("context", uuids)  # type: ignore[arg-type]
    assert answer["refused"]["code"] == "xloud.invalid"
    assert engine.calls == []


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("change", ["left out", "one too many"])
def test_a_truncated_or_longer_call_does_not_reach_the_engine(method: str, change: str) -> None:
    arguments = {"instance": INSTANCE, **CALLS[method]}
    if change == "left out":
        arguments.popitem()
    else:
        arguments["later"] = 1
    engine = Engine()
    endpoint = XloudEndpoint(engine)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        getattr(endpoint, method)("context", **arguments)
    assert engine.calls == []


@pytest.mark.parametrize("within", [0, 48, 48.0, -1.0, float("inf")])
def test_what_callers_of_any_version_send_is_taken(within: float) -> None:
    by = {"clock": "c1", "seconds": 1030, "later": "more"}
    answer, engine = call("adjust", vcpus=None, answer_within=within, answer_by=by)
    assert "result" in answer
    assert engine.calls[0][-2:] == (within, Deadline("c1", 1030))


@pytest.mark.parametrize("value", NO_SIZE)
@pytest.mark.parametrize("sizes", ["vcpus", "memory_mb"])
def test_no_request_is_made_of_a_size_that_is_no_integer(sizes: str, value: Any) -> None:
    with pytest.raises(Invalid, match=sizes):
        AdjustRequest(**{"vcpus": 3, "memory_mb": 768, sizes: value})  # type: ignore[arg-type]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(sorted(CALLS)), st.data())
def test_whatever_is_sent_the_engine_gets_sizes_and_switches_only(
    method: str, data: st.DataObject
) -> None:
    forged = {
        name: data.draw(JUNK | st.just(value), label=name) for name, value in CALLS[method].items()
    }
    answer, engine = call(method, **forged)
    assert ("refused" in answer) == (engine.calls == [])
    for made in engine.calls:
        sizes = [made[3]] if method == "hotplug_vcpus" else [made[3].vcpus, made[3].memory_mb]
        assert all(type(size) in (int, type(None)) for size in sizes)
        if method != "hotplug_vcpus":
            assert {type(made[3].persist), type(made[3].force)} == {bool}
