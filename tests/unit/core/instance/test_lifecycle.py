# SPDX-License-Identifier: Apache-2.0
"""How far an adjustment has come."""

from __future__ import annotations

import itertools

import pytest

from nova_xloud.core.instance import lifecycle
from nova_xloud.core.instance.lifecycle import (
    MOST_SUPERSEDED,
    NEVER_ADJUSTED,
    TRANSITIONS,
    Event,
    Phase,
    Progress,
)

# Said once more, and not made from the table: every pair that is not here is an error.
ALLOWED = {
    **{(phase, Event.ADMIT): Phase.ADMITTED for phase in Phase},
    **{(phase, Event.BEGIN): Phase.CONVERGING for phase in Phase},
    (Phase.CONVERGING, Event.REACH): Phase.CONVERGED,
    (Phase.CONVERGING, Event.DEFER): Phase.DEFERRED,
    (Phase.CONVERGING, Event.REFUSE): Phase.GUEST_REFUSED,
    (Phase.CONVERGING, Event.FAIL): Phase.FAILED,
}
PAIRS = list(itertools.product(Phase, Event))


@pytest.mark.parametrize(("phase", "event"), PAIRS, ids=lambda one: one.value)
def test_every_pair_of_phase_and_event_has_its_next_phase_or_is_an_error(
    phase: Phase, event: Event
) -> None:
    progress = Progress(phase, f"xloud.{phase.value}", "before", "then", "req-1")
    if (phase, event) not in ALLOWED:
        with pytest.raises(ValueError, match=f"is {phase.value} cannot {event.value}"):
            progress.after(event, "now")
        return
    after = progress.after(event, "now", message="why")
    target = ALLOWED[phase, event]
    assert (after.phase, after.code, after.message) == (target, f"xloud.{target.value}", "why")
    assert after.request_id == "req-1"
    assert after.since == ("then" if target is phase else "now")


def test_the_table_has_no_pair_that_is_not_tested() -> None:
    assert TRANSITIONS == ALLOWED


def test_the_values_of_phases_are_api() -> None:
    assert {phase.name: phase.value for phase in Phase} == {
        "ADMITTED": "admitted",
        "CONVERGING": "converging",
        "CONVERGED": "converged",
        "DEFERRED": "deferred",
        "GUEST_REFUSED": "guest_refused",
        "FAILED": "failed",
    }


def test_every_phase_is_drawn() -> None:
    drawn = lifecycle.__doc__ or ""
    assert all(phase.name in drawn for phase in Phase)


@pytest.mark.parametrize(
    ("phase", "reached", "finished"),
    [
        (Phase.ADMITTED, False, False),
        (Phase.CONVERGING, False, False),
        (Phase.CONVERGED, True, True),
        (Phase.DEFERRED, False, False),
        (Phase.GUEST_REFUSED, False, True),
        (Phase.FAILED, False, True),
    ],
)
def test_which_phases_are_an_answer(phase: Phase, reached: bool, finished: bool) -> None:
    progress = Progress(phase, "xloud.whatever")
    assert (progress.reached, progress.finished) == (reached, finished)


def refused(code: str, now: str, before: Progress = NEVER_ADJUSTED) -> Progress:
    return before.after(Event.BEGIN, now).after(Event.REFUSE, now, code)


def test_a_code_of_its_own_is_taken_for_the_phases() -> None:
    assert refused("xloud.guest_refused.memory_floor", "now").code == (
        "xloud.guest_refused.memory_floor"
    )


@pytest.mark.parametrize(
    ("before", "event", "since"),
    [
        (Progress(Phase.ADMITTED, "xloud.admitted", since="then"), Event.ADMIT, "then"),
        (Progress(Phase.ADMITTED, "xloud.admitted", since=""), Event.ADMIT, "now"),
        (Progress(Phase.ADMITTED, "xloud.other", since="then"), Event.ADMIT, "now"),
        (Progress(Phase.CONVERGING, "xloud.converging", since="then"), Event.BEGIN, "then"),
        (Progress(Phase.CONVERGING, "xloud.other", since="then"), Event.BEGIN, "now"),
        (Progress(Phase.DEFERRED, "xloud.deferred", since="then"), Event.BEGIN, "now"),
        (Progress(Phase.CONVERGED, "xloud.converged", since="then"), Event.ADMIT, "now"),
    ],
)
def test_since_stays_only_where_phase_and_code_do(
    before: Progress, event: Event, since: str
) -> None:
    assert before.after(event, "now").since == since


def test_the_message_does_not_renew_since() -> None:
    before = Progress(Phase.ADMITTED, "xloud.admitted", "one", "then")
    after = before.after(Event.ADMIT, "now", message="another")
    assert (after.message, after.since) == ("another", "then")


def test_an_instance_that_was_never_adjusted_is_as_it_should_be() -> None:
    assert Progress(Phase.CONVERGED, "xloud.converged", "", "", "") == NEVER_ADJUSTED
    assert NEVER_ADJUSTED.reached


def test_more_requests_than_the_record_has_room_for_drop_the_oldest() -> None:
    progress = NEVER_ADJUSTED
    dropped: list[str] = []
    for number in range(MOST_SUPERSEDED + 4):
        later = progress.admitted(f"req-{number}", "now")
        dropped += progress.dropped_by(later)
        progress = later
    assert dropped == ["req-0", "req-1", "req-2"]
    assert progress.request_ids == tuple(f"req-{n}" for n in range(3, MOST_SUPERSEDED + 4))


def test_requests_of_a_finished_adjustment_are_dropped_but_the_newest() -> None:
    finished = Progress(Phase.CONVERGED, request_id="req-3", superseded=("req-1", "req-2"))
    assert finished.dropped_by(finished.admitted("req-4", "now")) == ("req-1", "req-2")
    # As when what was reserved is recorded, and nothing is admitted yet.
    assert finished.dropped_by(finished) == ()
