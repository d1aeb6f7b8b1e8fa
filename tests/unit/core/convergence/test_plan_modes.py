# SPDX-License-Identifier: Apache-2.0
"""Requests of a mode, of a person while the server is scaled, and of automatic growth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.asked import Asked
from nova_xloud.core.instance.lifecycle import GAVE_UP, Condition, Phase
from nova_xloud.core.size import Size
from tests.unit.core.convergence.plans import BOUNDS, RUNNING, planned

AT = "2026-11-30T12:00:00Z"
LATER = "2026-11-30T12:05:00Z"


@pytest.mark.parametrize(
    ("word", "mode"), [("on", Mode.ON), ("off", Mode.OFF), ("observe", Mode.OBSERVE)]
)
def test_mode_alone_is_written_and_claims_nothing(word: str, mode: Mode) -> None:
    plan = planned(AdjustRequest(None, None, autoscale=word))
    assert not plan.nothing_to_do
    assert plan.desired.autoscale is mode
    assert plan.desired.same_target(RUNNING.desired)
    assert plan.desired.generation == RUNNING.desired.generation
    assert plan.claim == RUNNING.reserved
    assert plan.desired.asked is None


def test_word_flavor_takes_the_requested_mode_away() -> None:
    on = replace(RUNNING, desired=replace(RUNNING.desired, autoscale=Mode.ON))
    plan = planned(AdjustRequest(None, None, autoscale="flavor"), on)
    assert plan.desired.autoscale is None


def test_mode_that_it_has_is_nothing_to_do() -> None:
    on = replace(RUNNING, desired=replace(RUNNING.desired, autoscale=Mode.ON))
    assert planned(AdjustRequest(None, None, autoscale="on"), on).nothing_to_do


def test_mode_alone_leaves_how_the_last_request_went() -> None:
    gave_up = Condition(GAVE_UP, True, "xloud.gave_up.failed", "", AT)
    desired = replace(RUNNING.desired, tries=0, given_up=gave_up, force=True, generation=4)
    plan = planned(AdjustRequest(None, None, autoscale="off"), replace(RUNNING, desired=desired))
    assert plan.desired.given_up == gave_up
    assert (plan.desired.tries, plan.desired.force, plan.desired.generation) == (0, True, 4)
    assert plan.desired.progress.phase is Phase.ADMITTED


def test_mode_and_size_are_one_request() -> None:
    plan = planned(AdjustRequest(6, None, autoscale="on"))
    assert (plan.desired.target.vcpus, plan.desired.autoscale) == (6, Mode.ON)
    assert plan.desired.generation == RUNNING.desired.generation + 1


def test_person_is_remembered_with_what_was_asked_and_when() -> None:
    plan = decide(AdjustRequest(6, None), RUNNING, BOUNDS, AT)
    assert isinstance(plan, Plan)
    assert plan.desired.asked == Asked().after(AT, 6, None)


@pytest.mark.parametrize(
    "later", [AdjustRequest(6, None), AdjustRequest(None, None, autoscale="on")]
)
def test_request_leaves_what_was_asked_of_the_resource_that_it_does_not_name(
    later: AdjustRequest,
) -> None:
    first = decide(AdjustRequest(None, 3072), RUNNING, BOUNDS, AT)
    assert isinstance(first, Plan)
    plan = decide(later, replace(RUNNING, desired=first.desired), BOUNDS, LATER)
    assert isinstance(plan, Plan)
    assert plan.desired.asked == Asked().after(AT, None, 3072).after(LATER, later.vcpus, None)


def test_automatic_growth_is_no_person() -> None:
    before = replace(RUNNING, desired=replace(RUNNING.desired, asked=Asked().after(AT, 4, None)))
    plan = planned(AdjustRequest(6, None, automatic=True), before)
    assert plan.desired.asked == Asked().after(AT, 4, None)


@pytest.mark.parametrize(
    ("scaled", "automatic", "nothing"),
    [(False, False, True), (True, False, False), (True, True, True)],
    ids=["not scaled", "a person", "by itself"],
)
def test_asking_for_what_it_has_is_recorded_of_a_person_while_scaled(
    scaled: bool, automatic: bool, nothing: bool
) -> None:
    now = RUNNING.desired.target
    request = AdjustRequest(now.vcpus, now.memory_mb, automatic=automatic)
    plan = decide(request, RUNNING, BOUNDS, AT, scaled=scaled)
    assert isinstance(plan, Plan)
    assert plan.nothing_to_do is nothing
    assert plan.claim == Size(4, 2048)
