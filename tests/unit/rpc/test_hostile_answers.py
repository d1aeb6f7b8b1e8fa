# SPDX-License-Identifier: Apache-2.0
"""Answers of services that are broken, lie, or are of a version that never was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import oslo_messaging as messaging
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nova import exception
from oslo_versionedobjects import exception as versioned

from nova_xloud.api.http_errors import EXPECTED
from nova_xloud.core.autoscaling.deferral import QUOTA_UNKNOWN, of_refusal
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.errors import HostUnavailable, Refused
from nova_xloud.rpc import client, conductor
from nova_xloud.rpc.answers import UnreadableAnswer, result_of

INSTANCE = SimpleNamespace(host="host-1", uuid="b1a5")
TRACEBACK = "Traceback (most recent call last):\n  File \"/x.py\", line 1, in y\nKeyError: 'z'"
FORGED = "no\n2026-11-30 ERROR nova [-] forged\x1b[2J"
# Neither {"result": ...} nor a whole refusal.
NO_ANSWERS = [
    *(None, "", "refused", 7, True, [], ["refused"], {}, {"results": {}}, {"Result": None}),
    *({"refused": one} for one in (None, "xloud.quota", [], {}, 7, {"code": "xloud.quota"})),
    {"refused": {"code": 7, "status": 409, "message": "x"}},
    {"refused": {"code": "xloud.quota", "status": 409, "message": None}},
    {"refused": {"code": "other.code", "status": 409, "message": "x"}},
    {"refused": {"code": "xloud.quota", "message": "x"}},
]
# oslo.messaging raises Python's own errors and those of Nova as what they are, with the traceback
# in their text, and all others as RemoteError. Nova's serializer fails for an object that is none.
ERRORS = [
    messaging.RemoteError("DBError", "z", TRACEBACK),
    messaging.MessageDeliveryFailure(),
    *(KeyError(TRACEBACK), OverflowError(TRACEBACK), TimeoutError(TRACEBACK)),
    exception.ComputeHostNotFound(host=TRACEBACK),
    versioned.UnsupportedObjectError(objtype="none"),
]
NO_SECONDS = [10**400, float("inf"), float("nan"), True, None, "1.0", [1.0]]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["result", "refused", "code", "status", "message"]), inner, max_size=5
        )
    ),
)


class Wire:
    """Stands for oslo.messaging: it gives one answer to all calls, or fails."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def client(self, context: Any) -> Wire:
        return self

    def prepare(self, **options: Any) -> Wire:
        return self

    def call(self, context: Any, method: str, **arguments: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire(None)
    fake = SimpleNamespace(get_client=lambda *_, **__: wire, ClientRouter=lambda default: default)
    options = SimpleNamespace(
        rpc_response_timeout=60,
        xloud=SimpleNamespace(hotplug_timeout=90),
        upgrade_levels=SimpleNamespace(xloud=None),
    )
    monkeypatch.setattr(client, "rpc", fake)
    monkeypatch.setattr(client, "CONF", options)
    monkeypatch.setattr(conductor, "rpc", fake)
    return wire


def calls(api: client.XloudAPI) -> list[Any]:
    request = AdjustRequest(3, None)
    return [
        lambda: api.status("context", INSTANCE),
        lambda: api.plan("context", INSTANCE, request),
        lambda: api.adjust("context", INSTANCE, request),
        lambda: api.reserve("context", INSTANCE, request),
        lambda: api.hotplug_vcpus("context", INSTANCE, 3),
        lambda: api.guests("context", "host-1", ["a"]),
        lambda: api.about("context", "compute", "host-1"),
    ]


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_answer_of_a_host_that_is_none_is_as_if_it_did_not_answer(wire: Wire, answer: Any) -> None:
    wire.answer = answer
    for call in calls(client.XloudAPI()):
        with pytest.raises(HostUnavailable):
            call()


def test_result_that_lacks_what_is_read_of_it_is_as_if_the_host_did_not_answer(wire: Wire) -> None:
    wire.answer = {"result": {}}
    api = client.XloudAPI()
    for call in (
        lambda: api.status("context", INSTANCE),
        lambda: api.about("context", "compute", "host-1"),
    ):
        with pytest.raises(HostUnavailable, match="the answer has no"):
            call()


@pytest.mark.parametrize("result", [None, [], "x", 7, {"clock": 7}, {"clock": "c", "seconds": "x"}])
def test_result_of_another_type_is_as_if_the_host_did_not_answer(wire: Wire, result: Any) -> None:
    wire.answer = {"result": result}
    api = client.XloudAPI()
    with pytest.raises(HostUnavailable):
        api.adjust("context", INSTANCE, AdjustRequest(3, None))
    if not isinstance(result, dict):
        for call in calls(api)[:2]:
            with pytest.raises(HostUnavailable):
                call()


@pytest.mark.parametrize("status", [200, 302, 401, 418, 500, 999, -1, 2**70, "409", None, True])
def test_no_status_of_a_host_becomes_one_that_the_api_does_not_have(
    wire: Wire, status: Any
) -> None:
    wire.answer = {"refused": {"code": "xloud.moon", "status": status, "message": FORGED}}
    with pytest.raises(Refused) as caught:
        client.XloudAPI().status("context", INSTANCE)
    assert caught.value.status == 409
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("seconds", NO_SECONDS)
def test_host_whose_time_is_no_finite_number_is_as_if_it_did_not_answer(
    wire: Wire, seconds: Any
) -> None:
    wire.answer = {"result": {"clock": "c", "seconds": seconds}}
    api = client.XloudAPI()
    # A second call would go on with what was remembered of the first one.
    for call in [*calls(api)[2:5], *calls(api)[2:5]]:
        with pytest.raises(HostUnavailable, match="does not say its time; nothing was changed"):
            call()


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_host_that_fails_is_as_if_it_did_not_answer(wire: Wire, error: Exception) -> None:
    wire.answer = error
    for call in calls(client.XloudAPI()):
        with pytest.raises(HostUnavailable) as caught:
            call()
        assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("method", ["adjust", "reserve", "hotplug_vcpus"])
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_host_that_fails_to_admit_may_have_admitted(
    wire: Wire, error: Exception, method: str
) -> None:
    wire.answer = {"result": {"clock": "c", "seconds": 1.0}}
    api = client.XloudAPI()
    asked = 3 if method == "hotplug_vcpus" else AdjustRequest(3, None)
    # The host's time is remembered from here on.
    api._time_of("context", INSTANCE)
    wire.answer = error
    with pytest.raises(HostUnavailable, match="xloud-status shows whether") as caught:
        getattr(api, method)("context", INSTANCE, asked)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("answer", [*NO_ANSWERS, {"result": {}}, {"result": True}])
def test_answer_of_a_conductor_that_is_none_allows_no_growth(wire: Wire, answer: Any) -> None:
    wire.answer = answer
    with pytest.raises(Refused) as caught:
        conductor.ConductorAPI().check_growth("context", "a", Size(3, 768))
    assert caught.value.reason_code == QUOTA_UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        messaging.RemoteError("UnsupportedVersion", FORGED, TRACEBACK),
        messaging.MessageDeliveryFailure(FORGED),
        *ERRORS,
    ],
)
def test_failed_conductor_leaves_no_traceback_in_a_status(wire: Wire, error: Exception) -> None:
    wire.answer = error
    with pytest.raises(Refused) as caught:
        conductor.ConductorAPI().check_growth("context", "a", Size(3, 768))
    shown = of_refusal(caught.value)
    assert shown.code == QUOTA_UNKNOWN
    assert "Traceback" not in shown.message
    assert shown.message.isprintable()


@given(JUNK)
def test_whatever_is_answered_is_a_result_a_refusal_or_cannot_be_read(answer: Any) -> None:
    told = came_of(answer)
    if isinstance(told, Exception):
        assert str(told).isprintable()
        assert isinstance(told, UnreadableAnswer) or told.status in EXPECTED
    else:
        assert isinstance(told, dict)


def came_of(answer: Any) -> Any:
    try:
        return result_of(answer, dict)
    except (Refused, UnreadableAnswer) as error:
        return error
