# SPDX-License-Identifier: Apache-2.0
"""What a run waits for without a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from nova_xloud.compute.waits import (
    ANSWER_WAITS,
    LOCK_WAITS,
    Waits,
    answers,
    locked,
)
from nova_xloud.errors import InvalidState
from tests.unit.compute.rig import Rig

T = TypeVar("T")


def carried_out(rig: Rig, wait: Waits[T], each: Callable[[], object] = lambda: None) -> T:
    try:
        while True:
            rig.sleep(next(wait).seconds)
            each()
    except StopIteration as end:
        value: T = end.value
        return value


def test_a_lock_that_is_free_is_had_at_once_and_is_free_again_after() -> None:
    rig = Rig()
    with carried_out(rig, locked(rig.instance, rig.engine_clock)):
        assert rig.locked
    assert not rig.locked
    assert rig.clock.now() == 0


def test_a_lock_is_tried_again_until_the_operation_that_has_it_is_done() -> None:
    rig = Rig()
    rig.held_for = 3.0
    with carried_out(rig, locked(rig.instance, rig.engine_clock)):
        assert rig.locked
    assert 3 <= rig.clock.now() < 4


def test_one_that_an_operation_keeps_is_not_tried_for_ever() -> None:
    rig = Rig()
    rig.held_for = 600.0
    with pytest.raises(InvalidState, match="another operation"):
        carried_out(rig, locked(rig.instance, rig.engine_clock))
    assert LOCK_WAITS < rig.clock.now() < LOCK_WAITS + 1


def test_a_qemu_that_answers_is_not_waited_for() -> None:
    rig = Rig()
    assert carried_out(rig, answers(rig.instance.answers, rig.engine_clock))
    assert rig.clock.now() == 0


def test_one_that_answers_late_is_waited_for() -> None:
    rig = Rig()
    rig.answers = False

    def after_four_seconds() -> None:
        rig.answers = rig.clock.now() > 4

    assert carried_out(rig, answers(rig.instance.answers, rig.engine_clock), after_four_seconds)


def test_one_that_hangs_is_not_waited_for_for_ever() -> None:
    rig = Rig()
    rig.answers = False
    assert not carried_out(rig, answers(rig.instance.answers, rig.engine_clock))
    assert ANSWER_WAITS < rig.clock.now() < ANSWER_WAITS + 1
