# SPDX-License-Identifier: Apache-2.0
"""Calls that are made later."""

from __future__ import annotations

import threading

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.later import Later


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "xloud-later"]


def test_calls_are_made_in_order_of_time_by_one_thread_that_ends() -> None:
    at = 0
    later, made, done = Later(now=lambda: at), [], threading.Event()
    for number in (3, 1, 2):
        later.call(number / 50, lambda number=number: made.append(number))  # type: ignore[misc]
    later.call(0.1, done.set)
    (thread,) = threads()
    assert thread.daemon
    assert made == []
    at = 1
    assert done.wait(LIMIT)
    assert made == [1, 2, 3]
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_a_call_that_comes_sooner_is_not_kept_by_one_that_comes_later() -> None:
    later, done = Later(), threading.Event()
    later.call(60, lambda: None)
    later.call(0, done.set)
    assert done.wait(LIMIT)
    later.forget()


def test_a_call_made_by_a_call_is_made_too() -> None:
    later, done = Later(), threading.Event()
    later.call(0, lambda: later.call(0, done.set))
    assert done.wait(LIMIT)


def test_call_that_fails_does_not_keep_the_others_from_being_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    later, done = Later(), threading.Event()
    later.call(0, lambda: 1 / 0, "divide by zero")
    later.call(0, done.set)
    assert done.wait(LIMIT)
    assert "ZeroDivisionError" in caplog.text
    assert "Failed to divide by zero" in caplog.text


def test_what_is_forgotten_is_not_called_and_the_thread_ends() -> None:
    later, made = Later(), []
    later.call(60, lambda: made.append("forgotten"))
    (thread,) = threads()
    later.forget()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert made == []


def test_call_for_which_no_thread_could_start_is_made_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    later, first, second = Later(), threading.Event(), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError):
            later.call(0, first.set)
    later.call(0, second.set)
    assert first.wait(LIMIT)
    assert second.wait(LIMIT)
