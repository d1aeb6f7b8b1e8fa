# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's QEMU answers, and that who asks is not kept by one that does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.liveness import SECONDS, Pulse
from nova_xloud.errors import DomainCallFailed, DomainNotFound, DomainNotRunning
from nova_xloud.testing import FakeDomain, ManualClock
from tests.unit.compute.rig import Rig

SHORT = 0.02


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Lets whoever hangs go, at the latest when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def hanging(gate: threading.Event, asked: list[str]) -> Callable[[], None]:
    def ask() -> None:
        asked.append(threading.current_thread().name)
        assert gate.wait(LIMIT)

    return ask


def test_one_that_answers_has_a_pulse() -> None:
    assert Pulse().beats("one", lambda: None, LIMIT)


@pytest.mark.parametrize(
    "error", [DomainNotFound("gone"), DomainNotRunning("off"), DomainCallFailed("no"), KeyError()]
)
def test_an_error_is_an_answer_too(error: Exception) -> None:
    def ask() -> None:
        raise error

    pulse = Pulse()
    assert pulse.beats("one", ask, LIMIT)
    assert pulse.beats("one", lambda: None, LIMIT)


def test_a_domain_is_asked_by_its_ping() -> None:
    rig = Rig()
    assert Pulse().beats(rig.uuid, FakeDomain(rig.guest).ping, LIMIT)
    rig.guest.stop()
    with pytest.raises(DomainNotRunning):
        FakeDomain(rig.guest).ping()
    assert Pulse().beats(rig.uuid, FakeDomain(rig.guest).ping, LIMIT)


def test_it_is_given_longer_than_libvirt_takes_for_a_vcpu_that_does_not_go() -> None:
    assert SECONDS > 5


def test_one_that_hangs_has_none_and_says_so_once_it_has_hung_for_long(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    pulse = Pulse(now=clock.now)
    assert not pulse.beats("one", hanging(gate, []), SHORT)
    assert caplog.text == ""
    clock.advance(SECONDS + 1)
    for _ in range(2):
        assert not pulse.beats("one", hanging(gate, []), 0)
    assert caplog.text.count("Instance one: its QEMU does not answer") == 1


def test_one_that_hangs_is_asked_by_one_thread_only_that_the_process_does_not_wait_for(
    gate: threading.Event,
) -> None:
    pulse = Pulse()
    asked: list[str] = []
    for _ in range(3):
        assert not pulse.beats("one", hanging(gate, asked), SHORT)
    assert asked == ["xloud-pulse"]
    (left,) = [t for t in threading.enumerate() if t.name == "xloud-pulse"]
    assert left.daemon


def test_one_that_hangs_keeps_nobody_from_another(gate: threading.Event) -> None:
    pulse = Pulse()
    assert not pulse.beats("one", hanging(gate, []), SHORT)
    assert pulse.beats("other", lambda: None, LIMIT)


def test_one_that_answers_again_has_a_pulse_again(gate: threading.Event) -> None:
    pulse = Pulse()
    asked: list[str] = []
    assert not pulse.beats("one", hanging(gate, asked), SHORT)
    gate.set()
    until = time.monotonic() + LIMIT
    while not pulse.beats("one", hanging(gate, asked), SHORT):
        assert time.monotonic() < until
    # Once more, and each time it is asked anew.
    before = len(asked)
    assert pulse.beats("one", hanging(gate, asked), SHORT)
    assert len(asked) == before + 1


def test_who_asks_while_another_asks_waits_for_the_same_answer(gate: threading.Event) -> None:
    pulse = Pulse()
    asked: list[str] = []
    answers: list[bool] = []

    def ask() -> None:
        answers.append(pulse.beats("one", hanging(gate, asked), LIMIT))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + LIMIT
    while not asked:
        assert time.monotonic() < until
        time.sleep(0.001)
    time.sleep(SHORT)
    gate.set()
    for thread in threads:
        thread.join(LIMIT)
    assert answers == [True] * 4


def test_one_that_answers_late_has_a_pulse_for_who_asks_again_and_again() -> None:
    pulse, gate, asked = Pulse(), threading.Event(), []

    def late() -> None:
        asked.append(1)
        gate.wait(LIMIT)

    assert not pulse.beats("one", late, 0.0)
    gate.set()
    until = time.monotonic() + LIMIT
    while not pulse.beats("one", late, 0.0):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert asked == [1]


def test_an_answer_of_long_ago_is_none() -> None:
    clock = ManualClock()
    pulse, gate = Pulse(now=clock.now), threading.Event()
    assert not pulse.beats("one", gate.wait, 0.0)
    gate.set()
    for thread in [t for t in threading.enumerate() if t.name == "xloud-pulse"]:
        thread.join(LIMIT)
    clock.advance(60)
    again = threading.Event()
    assert not pulse.beats("one", again.wait, 0.0)
    again.set()


def test_an_answer_that_nobody_asks_for_any_more_is_forgotten(gate: threading.Event) -> None:
    clock = ManualClock()
    pulse = Pulse(now=clock.now)
    assert not pulse.beats("one that is deleted then", hanging(gate, []), SHORT)
    (asked,) = pulse._asked.values()
    gate.set()
    asked.thread.join(LIMIT)
    clock.advance(60)
    assert pulse.beats("another", lambda: None, LIMIT)
    assert not pulse._asked
