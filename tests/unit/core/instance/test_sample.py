# SPDX-License-Identifier: Apache-2.0
"""What a run and a pass make of what they have read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.instance.sample import Sample, of_pass, of_run
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Observed, Size

SIZE = Size(4, 2048)
DESIRED = Desired(SIZE, generation=3)
STATS = DomainStats(True, 4, 2048, 7)
THERE = Sample(3, SIZE, SIZE, SIZE, Observed(None, 2048), frozenset({"Converged"}))
OFFLINE = Condition("CpusNotOnline", True, "xloud.cpus_not_online", "", "")
ALARM = Condition("ReservedTooLittle", True, "xloud.reserved_too_little", "", "")


def sample_of_pass(**changes: Any) -> Sample:
    seen: dict[str, Any] = {"desired": DESIRED, "reserved": SIZE, "stats": STATS} | changes
    return of_pass(
        seen["desired"],
        seen["reserved"],
        seen["stats"],
        booting=seen.get("booting", False),
        is_off=seen.get("is_off", False),
    )


def guest(**changes: Any) -> DomainReading:
    sample = DomainReading(True, False, 8, 4, 2, 4096, 2048, balloon_driver=True)
    return replace(sample, **changes)


def test_run_and_pass_sample_a_settled_instance_alike() -> None:
    assert sample_of_pass() == THERE
    assert of_run(InstanceState(DESIRED, SIZE, guest()), "now") == THERE


def test_a_run_knows_how_many_cpus_are_online() -> None:
    sample = of_run(InstanceState(DESIRED, SIZE, guest(vcpus_online=2)), "now")
    assert sample.observed == Observed(2, 2048)
    assert "CpusNotOnline" in sample.conditions


def test_pass_leaves_vcpus_unobserved_when_a_run_found_some_offline() -> None:
    sample = sample_of_pass(desired=replace(DESIRED, recorded_conditions=(OFFLINE,)))
    assert (sample.actuated, sample.observed) == (SIZE, Observed(None, 2048))
    assert sample.conditions == {"Converged", "CpusNotOnline"}


def test_what_is_off_has_nothing_and_is_no_alarm() -> None:
    off = DomainStats(False, 8, 4096)
    for seen in (sample_of_pass(stats=off), sample_of_pass(stats=None, is_off=True)):
        assert (seen.actuated, seen.observed) == (Size(0, 0), Observed(0, 0))
        assert seen.conditions == {"Converged"}


def test_sample_of_an_unread_guest_has_no_sizes() -> None:
    sample = sample_of_pass(stats=None, desired=replace(DESIRED, recorded_conditions=(ALARM,)))
    assert (sample.actuated, sample.observed) == (None, Observed(None, None))
    assert "ReservedTooLittle" in sample.conditions


def test_unconfirmed_memory_is_not_observed_and_counts_as_the_maximum() -> None:
    seen = replace(STATS, max_memory_mb=4096, memory_confirmed=False)
    sample = sample_of_pass(stats=seen)
    assert (sample.actuated, sample.observed) == (SIZE, Observed(None, None))
    assert "ReservedTooLittle" in sample.conditions
    assert "ReservedTooLittle" not in sample_of_pass(stats=seen, reserved=Size(4, 4096)).conditions
    unconfirmed = InstanceState(DESIRED, SIZE, guest(memory_confirmed=False))
    assert of_run(unconfirmed, "now").observed == Observed(None, None)


@pytest.mark.parametrize("phase", [Phase.ADMITTED, Phase.DEFERRED, Phase.FAILED])
def test_what_has_not_converged_is_not_said_to_have(phase: Phase) -> None:
    assert (
        sample_of_pass(desired=replace(DESIRED, progress=Progress(phase))).conditions == frozenset()
    )


def test_a_guest_that_refused() -> None:
    refused = replace(DESIRED, progress=Progress(Phase.GUEST_REFUSED))
    assert sample_of_pass(desired=refused).conditions == {"GuestRefused"}


def test_what_drifted_has_not_converged() -> None:
    sample = sample_of_pass(stats=replace(STATS, vcpus=3))
    assert (sample.actuated, sample.conditions) == (Size(3, 2048), frozenset())


def test_the_alarm_is_what_is_seen_and_not_what_was_noted() -> None:
    less = Size(4, 2047)
    assert "ReservedTooLittle" in sample_of_pass(reserved=less).conditions
    settled = sample_of_pass(desired=replace(DESIRED, recorded_conditions=(ALARM,)))
    assert "ReservedTooLittle" not in settled.conditions


def test_memory_of_a_guest_that_boots_is_no_alarm() -> None:
    sample = sample_of_pass(stats=replace(STATS, memory_mb=4096), booting=True)
    assert sample.conditions == {"Booting"}
    assert "ReservedTooLittle" in sample_of_pass(stats=replace(STATS, memory_mb=4096)).conditions
