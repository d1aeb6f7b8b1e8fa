# SPDX-License-Identifier: Apache-2.0
"""A form that is prefilled with ``current_*`` and sends all values back changes nothing by that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.instance.status import status, status_from_database
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, HostFacts, bounds_of
from nova_xloud.errors import OutOfBounds
from tests.unit.core.convergence.plans import BOUNDS, SPECS
from tests.unit.core.states import MAXIMUM, guest, state, states

NOW = "2026-11-30T12:00:00Z"
THREADS = bounds_of(FlavorFacts(MAXIMUM, {**SPECS, "hw:cpu_threads": "2"}))
RAISED = bounds_of(FlavorFacts(MAXIMUM), HostFacts(memory_floor_mb=2048))


def current(of: InstanceState, bounds: object = BOUNDS) -> Size:
    body = status(of, bounds, NOW)  # type: ignore[arg-type]
    return Size(body["current_vcpus"], body["current_memory_mb"])


@given(states, st.sampled_from([BOUNDS, THREADS, RAISED]))
def test_a_running_server_gets_the_answer_of_a_request_for_nothing(
    before: InstanceState, bounds: object
) -> None:
    if not before.running:
        return
    form = current(before, bounds)
    back = decide(AdjustRequest(form.vcpus, form.memory_mb, persist=False), before, bounds)  # type: ignore[arg-type]
    nothing = decide(AdjustRequest(None, None, persist=False), before, bounds)  # type: ignore[arg-type]
    assert type(back) is type(nothing)
    if isinstance(back, Plan) and isinstance(nothing, Plan):
        assert (back.desired.persisted, back.desired.live, back.claim) == (
            nothing.desired.persisted,
            nothing.desired.live,
            nothing.claim,
        )


def test_a_balloon_that_is_on_its_way_is_no_size_to_send_back() -> None:
    """Seen: five seconds after the boot the card has 921 MiB of a server that is to have 512."""
    booting = state(Size(2, 1024), reading=guest(2, 1843))
    assert current(booting) == Size(2, 1024)


def test_a_size_that_the_guest_has_refused_is_asked_for_again() -> None:
    assert current(state(Size(4, 1024), Size(4, 2048), guest(4, 2048))) == Size(4, 1024)


def test_a_guest_that_stock_nova_has_started_is_not_shrunk_by_its_form() -> None:
    stock = replace(state(Size(2, 1024), MAXIMUM, guest(8, 4096)), recorded=MAXIMUM)
    assert current(stock) == MAXIMUM


def test_until_the_next_stop_the_form_has_what_the_guest_has_until_then() -> None:
    for_now = Desired(Size(4, 2048), live=Size(6, 1024))
    assert current(state(for_now, reading=guest(6, 1024))) == Size(6, 1024)
    assert current(state(for_now, reading=guest(6, 1024, running=False))) == Size(4, 2048)


@pytest.mark.parametrize(("may_run", "size"), [(True, Size(6, 1024)), (False, Size(4, 2048))])
def test_without_the_host_the_form_is_the_same(may_run: bool, size: Size) -> None:
    of_record = state(Desired(Size(4, 2048), live=Size(6, 1024)))
    body = status_from_database(of_record, BOUNDS, NOW, may_run=may_run)
    assert Size(body["current_vcpus"], body["current_memory_mb"]) == size


@pytest.mark.parametrize(
    ("has", "bounds", "request_"),
    [
        (Size(4, 1024), RAISED, AdjustRequest(6, 1024)),
        (Size(3, 2048), THREADS, AdjustRequest(3, 3072)),
        (Size(1, 2048), BOUNDS, AdjustRequest(1, 3072)),
    ],
    ids=["the floor was raised", "no whole core", "the minimum was raised"],
)
def test_what_is_out_of_bounds_since_does_not_keep_the_other_from_changing(
    has: Size, bounds: object, request_: AdjustRequest
) -> None:
    """A client that always sends both sizes could otherwise change neither."""
    before = state(has, reading=guest(has.vcpus, has.memory_mb))
    plan = decide(request_, before, bounds)  # type: ignore[arg-type]
    assert isinstance(plan, Plan), plan
    assert plan.desired.target == Size(request_.vcpus or 0, request_.memory_mb or 0)


def test_what_is_out_of_bounds_until_the_next_stop_is_not_persisted() -> None:
    for_now = Desired(Size(4, 2048), live=Size(4, 1024))
    before = state(for_now, reading=guest(4, 1024))
    assert isinstance(decide(AdjustRequest(6, 1024), before, RAISED), OutOfBounds)
    assert isinstance(decide(AdjustRequest(6, 1024, persist=False), before, RAISED), Plan)
