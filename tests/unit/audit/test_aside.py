# SPDX-License-Identifier: Apache-2.0
"""Calls that keep nobody: side by side, and left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lab.patience import LIMIT
from nova_xloud.audit.aside import side_by_side, within


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """Not set until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_answers_come_as_they_are_given(hang: threading.Event) -> None:
    def answer(number: int) -> int:
        if number == 0:
            hang.wait()
        return number * number

    came = side_by_side(answer, range(5), 2)
    assert [next(came) for _ in range(4)] == [(1, 1), (2, 4), (3, 9), (4, 16)]
    hang.set()
    assert list(came) == [(0, 0)]


def test_there_may_be_none() -> None:
    assert list(side_by_side(lambda number: number, [], 8)) == []


def test_no_more_threads_than_were_asked_for() -> None:
    names: set[int] = set()
    for _ in side_by_side(lambda _: names.add(threading.get_ident()), range(50), 3):
        pass
    assert 1 <= len(names) <= 3


def test_who_stops_has_no_further_call_begun(hang: threading.Event) -> None:
    begun: list[int] = []
    second_is_here = threading.Event()

    def answer(number: int) -> None:
        begun.append(number)
        if number:
            second_is_here.set()
            hang.wait()

    before = set(threading.enumerate())
    came = side_by_side(answer, range(9), 1)
    next(came)
    assert second_is_here.wait(LIMIT)
    (worker,) = set(threading.enumerate()) - before
    came.close()  # type: ignore[attr-defined]
    hang.set()
    worker.join(LIMIT)
    assert not worker.is_alive()
    assert begun == [0, 1]


def test_an_error_comes_at_once_and_none_is_waited_for(hang: threading.Event) -> None:
    def answer(number: int) -> None:
        if number:
            raise ValueError("an example")
        hang.wait()

    with pytest.raises(ValueError, match="an example"):
        list(side_by_side(answer, range(2), 2))


def test_all_are_daemons_so_that_the_process_can_end() -> None:
    daemons: list[bool] = []

    def note(_: object = None) -> None:
        daemons.append(threading.current_thread().daemon)

    list(side_by_side(note, [1], 1))
    within(LIMIT, note)
    assert daemons == [True, True]


def test_within_returns_what_the_call_does() -> None:
    assert within(LIMIT, lambda: 7) == 7


def test_within_raises_what_the_call_does() -> None:
    with pytest.raises(ZeroDivisionError):
        within(LIMIT, lambda: 1 / 0)


def test_within_leaves_behind_who_does_not_answer(hang: threading.Event) -> None:
    with pytest.raises(TimeoutError, match=r"no answer within 0.01 s"):
        within(0.01, hang.wait)
