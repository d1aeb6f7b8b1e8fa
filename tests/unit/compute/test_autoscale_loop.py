# SPDX-License-Identifier: Apache-2.0
"""The thread of the rounds: it is there while there is work, and is replaced if it hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.autoscaling.loop import HANGS_AFTER, Loop
from nova_xloud.testing import ManualClock


class Work:
    """Rounds that a test counts, and can keep from ending."""

    def __init__(self) -> None:
        self.has_work = False
        self.rounds = 0
        self.began = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.error: Exception | None = None

    def run_round(self) -> None:
        self.rounds += 1
        self.began.release()
        assert self.may_end.wait(LIMIT)
        if self.error is not None:
            raise self.error


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loop(work: Work, clock: ManualClock) -> Iterator[Loop]:
    loop = Loop(work, 0.01, clock.now)
    yield loop
    loop.close()
    work.may_end.set()


def test_no_thread_without_work(loop: Loop, work: Work) -> None:
    before = threading.active_count()
    loop.ensure()
    assert (threading.active_count(), work.rounds) == (before, 0)


def test_rounds_follow_each_other_while_there_is_work(loop: Loop, work: Work) -> None:
    work.has_work = True
    loop.ensure()
    loop.ensure()
    for _ in range(5):
        assert work.began.acquire(timeout=LIMIT)


def test_thread_ends_without_work_and_comes_back_with_it(loop: Loop, work: Work) -> None:
    work.has_work = True
    loop.ensure()
    assert work.began.acquire(timeout=LIMIT)
    assert loop._run is not None
    thread = loop._run.thread
    work.has_work = False
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert loop._run is None
    work.has_work = True
    done = work.rounds
    loop.ensure()
    while work.rounds == done:
        assert work.began.acquire(timeout=LIMIT)


def test_round_that_fails_is_followed_by_another(loop: Loop, work: Work) -> None:
    work.has_work, work.error = True, ValueError("a bug")
    loop.ensure()
    for _ in range(3):
        assert work.began.acquire(timeout=LIMIT)


def test_round_that_hangs_is_left_behind(
    loop: Loop, work: Work, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    work.has_work = True
    work.may_end.clear()
    loop.ensure()
    assert work.began.acquire(timeout=LIMIT)
    clock.advance(HANGS_AFTER)
    loop.ensure()
    assert work.rounds == 1
    clock.advance(1)
    loop.ensure()
    assert work.began.acquire(timeout=LIMIT)
    assert work.rounds == 2
    assert "has not ended after 60 s" in caplog.text


def test_nothing_begins_after_the_end(loop: Loop, work: Work) -> None:
    work.has_work = True
    loop.close()
    loop.ensure()
    assert loop._run is None
