# SPDX-License-Identifier: Apache-2.0
"""What a status says of an adjustment, and the wait, without a clock and without a cloud."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from keystoneauth1.exceptions import ConnectFailure

from nova_xloud.client import errors
from nova_xloud.client.resources import Adjustment, Status
from nova_xloud.client.waiting import Progress, Stage, Waiting, judge, note, stages
from nova_xloud.testing import ManualClock
from tests.unit.client.bodies import SERVER, condition, converged, numbers, status

GROW = Adjustment(SERVER, 3, None, True, "req-1")
ADMITTED = status(numbers(3, 3, 1, 1), None, converged("xloud.admitted"))
SET = status(numbers(3, 3, 3, 1), None, converged("xloud.converging"))
SEEN = status(numbers(3, 3, 3, 3), None, converged("xloud.converging"))
REACHED = status(numbers(3, 3, 3, 3))
DEFERRED = status(numbers(3, 3, 1, 1), None, converged("xloud.deferred", "it is paused"))
UNKNOWN = (numbers(3, 3, None, None), numbers(512, 512, None, None))
DOWN = status(*UNKNOWN, converged("xloud.converging"), source="database")
DOWN_AT_REST = status(*UNKNOWN, converged(), source="database")
CELL = "Nova's database of the server's cell does not answer"
IN_PART = status(
    numbers(1, 0, None, None),
    numbers(512, 0, None, None),
    converged("xloud.host_unavailable", CELL),
    source="database",
    generation=0,
)
STOPPED = status(numbers(3, 3, 0, 0), numbers(512, 512, 0, 0))
UNCLAIMED = status(numbers(3, 1, 1, 1), None, converged("xloud.admitted"))
FLOOR = "xloud.guest_refused.memory_floor"
REFUSED = status(
    numbers(3, 3, 1, 1),
    None,
    converged(FLOOR, "why"),
    condition("GuestRefused", True, FLOOR, "why"),
)
FAILED = status(numbers(3, 3, 1, 1), None, converged("xloud.placement_unavailable", "away"))
OTHERS = status(numbers(2, 2, 2, 2), None, generation=2)
RESTARTED = status(numbers(1, 1, 1, 1))


@pytest.mark.parametrize(
    ("seen", "reached"),
    [
        (UNCLAIMED, [Stage.ASKED]),
        (ADMITTED, [Stage.ASKED, Stage.CLAIMED]),
        (SET, [Stage.ASKED, Stage.CLAIMED, Stage.SET]),
        (REACHED, list(Stage)),
        (DOWN, [Stage.ASKED, Stage.CLAIMED]),
        (STOPPED, [Stage.ASKED, Stage.CLAIMED]),
    ],
)
def test_stages(seen: Status, reached: list[Stage]) -> None:
    assert list(stages(seen)) == reached


@pytest.mark.parametrize("seen", [UNCLAIMED, ADMITTED, SET, SEEN, DEFERRED, DOWN, DOWN_AT_REST])
def test_it_goes_on(seen: Status) -> None:
    assert judge(seen, GROW, 1, 1) is False


@pytest.mark.parametrize("seen", [REACHED, STOPPED])
def test_it_is_reached(seen: Status) -> None:
    assert judge(seen, GROW, 1, 1) is True


@pytest.mark.parametrize(
    ("seen", "kind", "words"),
    [
        (REFUSED, errors.GuestRefused, f"{FLOOR}: why; the guest has 1 vCPU, 512 MiB; 3 vCPUs"),
        (
            FAILED,
            errors.AdjustmentFailed,
            "xloud.placement_unavailable: away; the guest has 1 vCPU",
        ),
        (OTHERS, errors.Superseded, "desired size is now 2 vCPUs, 512 MiB, and no longer 3 vCPUs"),
        (RESTARTED, errors.Superseded, "or it was restarted"),
    ],
)
def test_it_will_not_be_reached(seen: Status, kind: type[Exception], words: str) -> None:
    outcome = judge(seen, GROW, 1, 1)
    assert type(outcome) is kind
    assert words in str(outcome)
    assert outcome.status is seen  # type: ignore[union-attr]


NO_HOST = (numbers(3, 0, None, None), numbers(512, 0, None, None))
UNSUPPORTED = "xloud.host_unsupported"
NO_ANSWER = "the server's compute host is down, or it or Placement does not answer"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (DOWN, f"{NO_ANSWER}; the adjustment continues when they are back"),
        (DOWN_AT_REST, NO_ANSWER),
        (
            # Shelved and offloaded.
            status(*NO_HOST, converged(), source="database"),
            "the server is on no compute host: it is shelved, or is not built",
        ),
        (
            # Being scheduled, or in ERROR because no host was found.
            status(*NO_HOST, converged("xloud.no_guest", "its vm_state is x"), source="database"),
            "the server is on no compute host: it is shelved, or is not built",
        ),
        (
            status(
                *UNKNOWN,
                converged(UNSUPPORTED),
                source="database",
                blockers=[{"resource": "vcpus", "code": UNSUPPORTED, "message": "why"}],
            ),
            "",
        ),
        (IN_PART, CELL),
        (REACHED, ""),
    ],
)
def test_note_of_a_status_of_the_database_says_why_it_is(seen: Status, words: str) -> None:
    assert note(seen) == words


def test_reasons_are_of_what_is_wrong_each_once() -> None:
    alarm = condition("ReservedTooLittle", True, "xloud.reserved_too_little")
    assert REFUSED.reasons == (FLOOR,)
    assert status(None, None, converged(), alarm).reasons == ("xloud.reserved_too_little",)
    assert REACHED.reasons == ()


def test_what_was_not_asked_may_be_anything() -> None:
    grown = status(numbers(3, 3, 3, 3), numbers(900, 900, 900, 900))
    assert judge(grown, GROW, 1, 1) is True


class Cloud:
    """Answers a status, or an error, every second; the last one for ever."""

    def __init__(self, answers: Iterable[Status | Exception], timeout: float = 10) -> None:
        self.clock = ManualClock()
        self.told: list[Progress] = []
        self._answers = list(answers)
        self.asked = 0
        self.waiting = Waiting(
            GROW,
            self._read,
            timeout,
            self.told.append,
            clock=self.clock.now,
            sleep=self.clock.sleep,
        )

    def _read(self) -> Status:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def lines(self) -> list[tuple[float, Any]]:
        return [(one.seconds, one.stage or one.note) for one in self.told]


def test_each_stage_is_told_once_with_its_seconds() -> None:
    cloud = Cloud([ADMITTED, ADMITTED, SET, SEEN, REACHED])
    assert cloud.waiting.run() is REACHED
    assert cloud.lines() == [
        (0.0, Stage.ASKED),
        (0.0, Stage.CLAIMED),
        (2.0, Stage.SET),
        (3.0, Stage.SEEN),
    ]


def test_a_note_is_told_once() -> None:
    cloud = Cloud([DEFERRED, DEFERRED, DOWN, DOWN, REACHED])
    cloud.waiting.run()
    notes = [one.note for one in cloud.told if one.stage is None]
    assert notes == [
        "it is paused",
        "the server's compute host is down, or it or Placement does not answer; the adjustment "
        "continues when they are back",
    ]


def test_a_look_that_fails_is_told_and_repeated() -> None:
    cloud = Cloud([ConnectFailure("no route"), errors.PlacementUnavailable("away"), REACHED])
    assert cloud.waiting.run() is REACHED
    notes = [one.note for one in cloud.told if one.stage is None]
    assert len(notes) == 2
    assert "no route" in notes[0]


def test_a_server_that_is_gone_ends_it() -> None:
    with pytest.raises(errors.NotFound):
        Cloud([ADMITTED, errors.NotFound("gone", http_status=404)]).waiting.run()


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (
            SET,
            "reach 3 vCPUs within 2.5 s; the adjustment continues; the guest has 3 vCPUs, 512 MiB",
        ),
        (DOWN, "the server's compute host is down"),
        (DEFERRED, "it is paused"),
        (ConnectFailure("no route"), "the server's status could not be read"),
    ],
)
def test_it_times_out(last: Status | Exception, words: str) -> None:
    cloud = Cloud([last], timeout=2.5)
    with pytest.raises(errors.TimedOut) as error:
        cloud.waiting.run()
    assert words in str(error.value)
    assert error.value.status is (last if isinstance(last, Status) else None)
    # At 0, 1, 2 and 2.5 seconds.
    assert (cloud.asked, cloud.clock.now()) == (4, 2.5)


def test_an_adjustment_to_another_size_that_came_between_is_not_waited_for() -> None:
    later = status(numbers(2, 2, 2, 2), None, generation=5)
    with pytest.raises(errors.Superseded):
        Cloud([ADMITTED, later]).waiting.run()


def test_growth_of_the_other_resource_that_came_between_does_not_end_the_wait() -> None:
    more = numbers(1024, 1024, 512, 512)
    moving = status(numbers(3, 3, 1, 1), more, converged("xloud.converging"), generation=2)
    grown = status(numbers(3, 3, 3, 3), numbers(1024, 1024, 1024, 1024), generation=2)
    assert Cloud([ADMITTED, moving, moving, grown]).waiting.run() is grown


@pytest.mark.parametrize(
    "conditions",
    [
        (converged("xloud.deferred", "the balloon comes later"),),
        (converged("xloud.failed", "no room for 1024 MiB"),),
        (converged(FLOOR, "why"), condition("GuestRefused", True, FLOOR, "why")),
    ],
)
def test_what_becomes_of_the_other_resource_does_not_decide_the_wait(conditions: Any) -> None:
    more = numbers(1024, 1024, 512, 512)
    for seen in (3, None):
        there = status(numbers(3, 3, 3, seen), more, *conditions, generation=2)
        assert Cloud([ADMITTED, there]).waiting.run() is there
        # In the same request, the outcome is that of the whole request.
        assert judge(there, GROW, 2, 2) is not True


def test_guest_that_refuses_the_other_resource_may_still_reach_what_was_asked_for() -> None:
    refusal = condition("GuestRefused", True, FLOOR, "why")
    less = numbers(512, 1024, 1024, 1024)
    open_ = status(numbers(3, 3, 1, 1), less, converged(FLOOR, "why"), refusal, generation=2)
    there = status(numbers(3, 3, 3, 3), less, converged(FLOOR, "why"), refusal, generation=2)
    assert Cloud([ADMITTED, open_, there]).waiting.run() is there


def test_refusal_of_what_was_asked_for_ends_the_wait_after_a_later_request_too() -> None:
    code = "xloud.guest_refused.vcpus_not_added"
    refusal = condition("GuestRefused", True, code, "why")
    more = numbers(1024, 1024, 1024, 1024)
    refused = status(numbers(3, 3, 1, 1), more, converged(code, "why"), refusal, generation=2)
    with pytest.raises(errors.GuestRefused):
        Cloud([ADMITTED, refused]).waiting.run()


def test_cell_that_does_not_answer_does_not_end_the_wait() -> None:
    cloud = Cloud([IN_PART, ADMITTED, IN_PART, REACHED])
    assert cloud.waiting.run() is REACHED
    assert [one.note for one in cloud.told if one.stage is None] == [CELL]
    # Its generation is not the adjustment's.
    given_up = condition("GaveUp", True, "xloud.gave_up.vcpus_not_added", "3 vCPUs were asked for")
    with pytest.raises(errors.AdjustmentFailed):
        Cloud([IN_PART, status(None, None, converged(), given_up)]).waiting.run()


def test_wait_that_times_out_while_the_cell_does_not_answer_tells_no_sizes() -> None:
    with pytest.raises(errors.TimedOut) as error:
        Cloud([IN_PART]).waiting.run()
    assert CELL in str(error.value)
    assert "what the guest has and what is claimed for the server is unknown" in str(error.value)


def test_size_that_is_given_up_after_growth_of_the_other_resource_has_failed() -> None:
    code = "xloud.gave_up.vcpus_not_added"
    said = condition("GaveUp", True, code, "3 vCPUs were asked for")
    more = numbers(1024, 1024, 1024, 1024)
    moving = status(numbers(3, 3, 1, 1), more, converged("xloud.converging"), generation=2)
    given_up = status(numbers(1, 1, 1, 1), more, converged(), said, generation=2)
    with pytest.raises(errors.AdjustmentFailed) as error:
        Cloud([ADMITTED, moving, given_up]).waiting.run()
    assert error.value.code == code


def test_what_was_given_up_of_another_request_is_no_failure_of_a_size_that_is_reached() -> None:
    said = condition("GaveUp", True, "xloud.gave_up.memory_not_reached", "1024 MiB were asked for")
    assert judge(status(numbers(3, 3, 3, 3), None, converged(), said), GROW, 1, 1) is True


def test_one_that_was_given_up_has_failed_although_it_is_converged() -> None:
    said = condition("GaveUp", True, "xloud.gave_up.vcpus_not_added", "3 vCPUs were asked for")
    found = judge(status(numbers(1, 1, 1, 1), None, converged(), said), GROW, 1, 1)
    assert isinstance(found, errors.AdjustmentFailed)
    assert found.code == "xloud.gave_up.vcpus_not_added"
    assert "3 vCPUs were asked for" in str(found)


def test_one_without_a_guest_is_not_tried_again() -> None:
    gone = status(numbers(3, 3, 0, 0), None, converged("xloud.no_guest", "its vm_state is error"))
    found = judge(gone, GROW, 1, 1)
    assert isinstance(found, errors.AdjustmentFailed)
    assert found.code == "xloud.no_guest"
    assert "tries again" not in str(found)
