"""What a chaos run makes of answers that are errors, and of a checker that cannot read all."""

from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from lab.chaos import schedule
from lab.chaos.checks import Judgement
from lab.chaos.fault import Fault, Stage, Teller
from lab.chaos.play import Play
from lab.chaos.requests import Requests, teller_of
from lab.cloud import Answer

CAUGHT_BY_NOBODY = "Unexpected API Error. Please report this.\n<class '{}'>"
OURS = Answer(500, {"computeFault": {"message": CAUGHT_BY_NOBODY.format("KeyError")}}, {})
DATABASE = Answer(
    500, {"computeFault": {"message": CAUGHT_BY_NOBODY.format("oslo_db.exception.DBError")}}, {}
)
REFUSED = Answer(503, {"badRequest": {"message": "xloud.placement_unavailable: no answer"}}, {})
IN_FRONT = Answer(503, None, {})


@pytest.mark.parametrize(
    ("answer", "teller"),
    [
        (OURS, Teller.OURS),
        (DATABASE, Teller.DATABASE),
        (IN_FRONT, Teller.IN_FRONT),
        (REFUSED, None),
        # A code of ours does not make a 500 a refusal.
        (Answer(500, REFUSED.body, {}), Teller.OURS),
        (Answer(409, {"conflictingRequest": {"message": "xloud.host_unavailable: x"}}, {}), None),
        (Answer(202, None, {}), None),
    ],
)
def test_who_has_answered_with_an_error(answer: Answer, teller: Teller | None) -> None:
    assert teller_of(answer) is teller


def _nothing(stage: Stage) -> AbstractContextManager[None]:
    return nullcontext()


def answered(*answers: Answer | Exception) -> dict[str, Future[Answer]]:
    futures: dict[str, Future[Answer]] = {"asked": Future()}
    for number, answer in enumerate(answers):
        futures[f"server-{number}"] = future = Future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
    return futures


def test_errors_of_nova_api_are_violations_unless_the_fault_excuses_them() -> None:
    requests = Requests(SimpleNamespace(), [], {})  # type: ignore[arg-type]
    answers = answered(OURS, DATABASE, IN_FRONT, REFUSED, ConnectionError("nova-api was killed"))
    said = [line.partition(":")[0] for line in requests.failures(answers, frozenset())]
    assert said == ["server-0", "server-1", "server-2"]
    excused = frozenset({Teller.DATABASE, Teller.IN_FRONT})
    assert [one.partition(":")[0] for one in requests.failures(answers, excused)] == ["server-0"]


@pytest.mark.parametrize(
    ("blinds", "found", "violations", "judged"),
    [
        (False, Judgement((), ()), [], [True]),
        (False, Judgement((), ("guests",)), ["then: not judged: guests"], [False]),
        (True, Judgement((), ("guests",)), [], [False]),
        (True, Judgement(("oversold",), ("guests",)), ["then: oversold"], [False]),
    ],
    ids=["whole", "blind for no reason", "blinded", "broken where it sees"],
)
def test_what_was_not_judged_is_a_violation_unless_the_fault_blinds_the_checker(
    blinds: bool, found: Judgement, violations: list[str], judged: list[bool]
) -> None:
    asked: list[bool] = []

    def judge(*, blinded: bool) -> Judgement:
        asked.append(blinded)
        return found

    faults: dict[str, Any] = {"a": Fault("a", _nothing, blinds=blinds)}
    play = Play(SimpleNamespace(judge=judge), SimpleNamespace(), faults)  # type: ignore[arg-type]
    one = schedule.Round(1, ("a",), 0, ((1, 512),), 0.0)
    stage: Any = SimpleNamespace(broken_by_hand=False)
    assert play._broken(one, stage, "then") == violations
    assert (play.judged, asked) == (judged, [blinds])


def test_invariants_that_the_fault_itself_breaks_count_as_not_judged() -> None:
    play = Play(SimpleNamespace(), SimpleNamespace(), {})  # type: ignore[arg-type]
    one = schedule.Round(1, (), 0, (), 0.0)
    stage: Any = SimpleNamespace(broken_by_hand=True)
    assert play._broken(one, stage, "then") == []
    assert play.judged == [False]
