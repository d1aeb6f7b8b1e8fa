# SPDX-License-Identifier: Apache-2.0
"""Which call of which version a compute host gets, and what its answer or silence becomes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import oslo_messaging as messaging
import pytest

from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import HostUnavailable, HostUnsupported, NoCapacity, Refused
from nova_xloud.rpc import client
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.rpc.versions import FIRST, VERSION
from nova_xloud.testing import ManualClock

INSTANCE = SimpleNamespace(host="host-1", uuid="b1a5")
OPTIONS = SimpleNamespace(
    rpc_response_timeout=60,
    xloud=SimpleNamespace(hotplug_timeout=89.5),
    upgrade_levels=SimpleNamespace(xloud="1.7"),
)


class Wire:
    """Stands for oslo.messaging: a router, its client, and what that was prepared for.

    :ivar target: of the client
    :ivar prepared: with what each call was prepared
    :ivar calls: method and arguments of each
    :ivar asked_now: how often the host was asked for its time
    :ivar clock: the id of its clock
    :ivar older: the host does not know ``now``, nor what it is for
    """

    def __init__(self) -> None:
        self.answer: Any = {"result": {"answered": True}}
        self.asked_now = 0
        self.clock = "c1"
        self.older = False
        self.target: messaging.Target | None = None
        self.prepared: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, context: Any) -> Wire:
        assert context == "context"
        return self

    def prepare(self, **options: Any) -> Wire:
        self.prepared.append(options)
        return self

    def cast(self, context: Any, method: str, **arguments: Any) -> None:
        self.call(context, f"cast {method}", **arguments)

    def call(self, context: Any, method: str, **arguments: Any) -> Any:
        if method == "now" and not isinstance(self.answer, Exception):
            assert arguments == {"instance": INSTANCE}
            self.asked_now += 1
            assert self.prepared.pop() == {"server": "host-1", "version": "1.4"}
            if self.older:
                raise messaging.RemoteError("UnsupportedVersion", "1.4")
            return {"result": {"clock": self.clock, "seconds": 1000.0}}
        self.calls.append((method, arguments))
        if arguments.get("answer_by", {}).get("clock", self.clock) != self.clock:
            # As the real one, of a time of a process that has ended.
            return {"refused": HostUnavailable("kept too long; nothing was changed").to_wire()}
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()

    def get_client(target: messaging.Target, version_cap: str, serializer: Any) -> Wire:
        assert version_cap == OPTIONS.upgrade_levels.xloud
        wire.target = target
        return wire

    fake_rpc = SimpleNamespace(get_client=get_client, ClientRouter=lambda default: default)
    monkeypatch.setattr(client, "rpc", fake_rpc)
    monkeypatch.setattr(client, "CONF", OPTIONS)
    return wire


@pytest.mark.parametrize(
    ("request_", "version", "more"),
    [
        (AdjustRequest(3, 768), "1.0", {}),
        (AdjustRequest(3, None, persist=False), "1.0", {}),
        (AdjustRequest(3, 768, force=True), "1.1", {"force": True}),
        (AdjustRequest(3, 768, autoscale="on"), "1.6", {"autoscale": "on"}),
    ],
)
def test_adjust_asks_an_older_host_in_the_lowest_version_that_will_do(
    wire: Wire, request_: AdjustRequest, version: str, more: dict[str, Any]
) -> None:
    wire.older = True
    assert client.XloudAPI().adjust("context", INSTANCE, request_) == {"answered": True}
    assert wire.prepared == [{"server": "host-1", "version": version}]
    ((method, arguments),) = wire.calls
    # A little less than we wait.
    assert 30 < arguments.pop("answer_within") < OPTIONS.rpc_response_timeout
    assert (method, arguments) == (
        "adjust",
        {
            "instance": INSTANCE,
            "vcpus": 3,
            "memory_mb": request_.memory_mb,
            "persist": request_.persist,
            **more,
        },
    )


def test_mode_is_sent_in_the_version_that_has_it_and_with_a_deadline(wire: Wire) -> None:
    client.XloudAPI().adjust("context", INSTANCE, AdjustRequest(None, None, autoscale="off"))
    assert [one["version"] for one in wire.prepared] == ["1.6"]
    ((_, arguments),) = wire.calls
    assert arguments["autoscale"] == "off"
    assert arguments["answer_by"]["clock"] == "c1"
    assert "automatic" not in arguments


def test_plan_and_reservation_with_a_mode_need_its_version_too(wire: Wire) -> None:
    request = AdjustRequest(3, None, autoscale="on")
    client.XloudAPI().plan("context", INSTANCE, request)
    client.XloudAPI().reserve("context", INSTANCE, request)
    assert [one["version"] for one in wire.prepared] == ["1.6", "1.6"]


@pytest.mark.parametrize("force", [True, False])
def test_a_plan_is_of_1_1_and_always_says_force(wire: Wire, force: bool) -> None:
    client.XloudAPI().plan("context", INSTANCE, AdjustRequest(3, None, False, force))
    assert wire.prepared == [{"server": "host-1", "version": "1.1"}]
    assert wire.calls == [
        (
            "plan",
            {
                "instance": INSTANCE,
                "vcpus": 3,
                "memory_mb": None,
                "persist": False,
                "force": force,
            },
        )
    ]


def test_reserve_needs_version_1_2_and_unreserve_is_a_cast(wire: Wire) -> None:
    wire.older = True
    client.XloudAPI().reserve("context", INSTANCE, AdjustRequest(3, None, False))
    client.XloudAPI().unreserve("context", INSTANCE)
    assert wire.prepared == [{"server": "host-1", "version": "1.2"}] * 2
    sizes = {"vcpus": 3, "memory_mb": None, "persist": False, "force": False}
    assert wire.calls == [
        ("reserve", {"instance": INSTANCE, **sizes}),
        ("cast unreserve", {"instance": INSTANCE}),
    ]


@pytest.mark.parametrize("method", ["adjust", "reserve", "hotplug_vcpus"])
def test_a_host_is_told_until_when_we_wait_in_its_own_time(wire: Wire, method: str) -> None:
    asked: Any = 3 if method == "hotplug_vcpus" else AdjustRequest(3, None)
    getattr(client.XloudAPI(), method)("context", INSTANCE, asked)
    assert [one["version"] for one in wire.prepared] == ["1.4"]
    ((name, arguments),) = wire.calls
    assert (name, arguments["answer_by"]["clock"]) == (method, "c1")
    # A little less than we wait.
    assert 1030 < arguments["answer_by"]["seconds"] < 1000 + OPTIONS.rpc_response_timeout
    assert 30 < arguments["answer_within"] < OPTIONS.rpc_response_timeout


@pytest.mark.parametrize("method", ["adjust", "reserve", "hotplug_vcpus"])
def test_where_a_host_does_not_say_its_time_nothing_was_asked(wire: Wire, method: str) -> None:
    wire.answer = messaging.MessagingTimeout()
    asked: Any = 3 if method == "hotplug_vcpus" else AdjustRequest(3, None)
    with pytest.raises(HostUnavailable, match="nothing was changed"):
        getattr(client.XloudAPI(), method)("context", INSTANCE, asked)
    assert [name for name, _ in wire.calls] == ["now"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(client.time, "monotonic", clock.now)
    return clock


def test_a_host_is_asked_for_its_time_once_and_its_clock_goes_on(
    wire: Wire, clock: ManualClock
) -> None:
    api = client.XloudAPI()
    for seconds in (0, 30, 60):
        api.adjust("context", INSTANCE, AdjustRequest(3, None))
        assert wire.calls[-1][1]["answer_by"] == {"clock": "c1", "seconds": 1000 + seconds + 48}
        clock.advance(30)
    assert (wire.asked_now, len(wire.calls)) == (1, 3)


def test_a_time_that_was_told_long_ago_is_asked_for_again(wire: Wire, clock: ManualClock) -> None:
    api = client.XloudAPI()
    api.adjust("context", INSTANCE, AdjustRequest(3, None))
    clock.advance(client.TIME_IS_KNOWN_FOR + 1)
    api.adjust("context", INSTANCE, AdjustRequest(3, None))
    assert wire.asked_now == 2
    assert wire.calls[-1][1]["answer_by"]["seconds"] == 1000 + 48


def test_restarted_nova_compute_is_asked_again_with_its_own_clock(
    wire: Wire, clock: ManualClock
) -> None:
    api = client.XloudAPI()
    api.adjust("context", INSTANCE, AdjustRequest(3, None))
    wire.clock = "c2"
    for _ in range(2):
        assert api.adjust("context", INSTANCE, AdjustRequest(3, None)) == {"answered": True}
    clocks = [arguments["answer_by"]["clock"] for _, arguments in wire.calls]
    assert clocks == ["c1", "c1", "c2", "c2"]
    assert wire.asked_now == 2


def test_what_the_same_process_refuses_is_not_asked_again(wire: Wire) -> None:
    api = client.XloudAPI()
    api.adjust("context", INSTANCE, AdjustRequest(3, None))
    wire.answer = {"refused": HostUnavailable("its QEMU hangs").to_wire()}
    with pytest.raises(HostUnavailable, match="QEMU hangs"):
        api.adjust("context", INSTANCE, AdjustRequest(3, None))
    assert (wire.asked_now, len(wire.calls)) == (2, 2)


def test_where_an_older_host_was_started_it_is_asked_as_before(wire: Wire) -> None:
    api = client.XloudAPI()
    api.adjust("context", INSTANCE, AdjustRequest(3, None))
    real = wire.call

    def older(context: Any, method: str, **arguments: Any) -> Any:
        if "answer_by" in arguments:
            raise messaging.RemoteError("UnsupportedVersion", "1.4")
        return real(context, method, **arguments)

    wire.older, wire.call = True, older  # type: ignore[method-assign]
    assert api.adjust("context", INSTANCE, AdjustRequest(3, None)) == {"answered": True}
    assert "answer_by" not in wire.calls[-1][1]


def test_without_an_answer_nothing_is_asked_again(wire: Wire) -> None:
    api = client.XloudAPI()
    api.adjust("context", INSTANCE, AdjustRequest(3, None))
    wire.answer = messaging.MessagingTimeout()
    with pytest.raises(HostUnavailable, match="whether the request was admitted"):
        api.adjust("context", INSTANCE, AdjustRequest(3, None))
    assert [name for name, _ in wire.calls] == ["adjust", "adjust"]


def test_an_instance_on_no_host_has_nothing_that_a_host_could_give_back(wire: Wire) -> None:
    client.XloudAPI().unreserve("context", SimpleNamespace(host=None, uuid="b1a5"))
    assert wire.prepared == []


def test_failed_unreserve_raises_nothing(wire: Wire) -> None:
    wire.answer = messaging.MessageDeliveryFailure("the broker is away")
    client.XloudAPI().unreserve("context", INSTANCE)
    assert len(wire.calls) == 1


def test_status_and_hotplug_are_of_1_0(wire: Wire) -> None:
    wire.older = True
    keys = ("current_vcpus", "current_memory_mb", "vcpus", "memory_mb", "conditions")
    wire.answer = {"result": dict.fromkeys(keys)}
    client.XloudAPI().status("context", INSTANCE)
    client.XloudAPI().hotplug_vcpus("context", INSTANCE, 3)
    assert wire.prepared == [
        {"server": "host-1", "version": "1.0", "timeout": 20},
        {"server": "host-1", "version": "1.0", "timeout": 90 + 60},
    ]
    assert wire.calls == [
        ("status", {"instance": INSTANCE}),
        ("hotplug_vcpus", {"instance": INSTANCE, "new_count": 3}),
    ]


def test_client_and_endpoint_have_one_namespace_and_its_newest_version(wire: Wire) -> None:
    client.XloudAPI()
    assert wire.target is not None
    assert (wire.target.namespace, wire.target.version) == ("xloud", VERSION)
    assert wire.target.topic == "compute"
    assert XloudEndpoint.target.version == VERSION
    assert tuple(map(int, FIRST.split("."))) <= tuple(map(int, VERSION.split(".")))


def asked(wire: Wire) -> Any:
    return client.XloudAPI().adjust("context", INSTANCE, AdjustRequest(3, None, force=True))


def test_a_refusal_in_the_answer_is_raised(wire: Wire) -> None:
    wire.answer = {"refused": NoCapacity("full").to_wire()}
    with pytest.raises(NoCapacity, match="full"):
        asked(wire)


def test_a_code_that_this_version_does_not_know_is_raised_with_its_status(wire: Wire) -> None:
    wire.answer = {"refused": {"code": "xloud.moon", "status": 403, "message": "full"}}
    with pytest.raises(Refused) as refusal:
        asked(wire)
    assert (refusal.value.reason_code, refusal.value.status) == ("xloud.moon", 403)


def test_the_guests_of_a_host_are_one_question(wire: Wire) -> None:
    told = {"one": {"held": {"vcpus": 1, "memory_mb": 512}}}
    wire.answer = {"result": told}
    assert client.XloudAPI().guests("context", "host-2", ("one", "other")) == told
    assert wire.prepared == [{"server": "host-2", "version": "1.5"}]
    assert wire.calls == [("guests", {"uuids": ["one", "other"]})]


def test_timeout_of_a_read_says_that_nothing_was_changed(wire: Wire) -> None:
    wire.answer = messaging.MessagingTimeout()
    with pytest.raises(HostUnavailable, match="in time; nothing was changed"):
        client.XloudAPI().guests("context", "host-2", ["one"])


def test_an_instance_on_no_host_is_not_asked_for(wire: Wire) -> None:
    with pytest.raises(HostUnavailable):
        client.XloudAPI().status("context", SimpleNamespace(host=None))
    assert wire.calls == []


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (messaging.MessagingTimeout(), HostUnavailable),
        (messaging.RPCVersionCapError(version="1.1", version_cap="1.0"), HostUnsupported),
        (messaging.UnsupportedVersion("1.1"), HostUnsupported),
        (messaging.RemoteError("UnsupportedVersion", "1.1"), HostUnsupported),
        (messaging.RemoteError("NoSuchMethod", "plan"), HostUnsupported),
        (messaging.RemoteError("ZeroDivisionError", "bug"), HostUnavailable),
    ],
    ids=["no answer", "capped", "version", "version there", "method there", "a fault there"],
)
def test_a_host_that_does_not_answer_or_does_not_know_the_call(
    wire: Wire, error: Exception, raised: type[Exception]
) -> None:
    wire.answer = error
    with pytest.raises(raised) as failure:
        asked(wire)
    if raised is HostUnsupported and not isinstance(error, messaging.RPCVersionCapError):
        assert "adjust 1.1" in str(failure.value)
