# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's QEMU answers, and that who asks is not kept by one that does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.liveness import PROBE_SECONDS, LivenessProbe
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
    assert LivenessProbe().answers("one", lambda: None, LIMIT)


@pytest.mark.parametrize(
    "error", [DomainNotFound("gone"), DomainNotRunning("off"), DomainCallFailed("no"), KeyError()]
)
def test_an_error_is_an_answer_too(error: Exception) -> None:
    def ask() -> None:
        raise error

    probe = LivenessProbe()
    assert probe.answers("one", ask, LIMIT)
    assert probe.answers("one", lambda: None, LIMIT)


def test_a_domain_is_asked_by_its_ping() -> None:
    rig = Rig()
    assert LivenessProbe().answers(rig.uuid, FakeDomain(rig.guest).ping, LIMIT)
    rig.guest.stop()
    with pytest.raises(DomainNotRunning):
        FakeDomain(rig.guest).ping()
    assert LivenessProbe().answers(rig.uuid, FakeDomain(rig.guest).ping, LIMIT)


def test_it_is_given_longer_than_libvirt_takes_for_a_vcpu_that_does_not_go() -> None:
    assert PROBE_SECONDS > 5


def test_one_that_hangs_has_none_and_says_so_once_it_has_hung_for_long(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    probe = LivenessProbe(now=clock.now)
    assert not probe.answers("one", hanging(gate, []), SHORT)
    assert caplog.text == ""
    clock.advance(PROBE_SECONDS + 1)
    for _ in range(2):
        assert not probe.answers("one", hanging(gate, []), 0)
    assert caplog.text.count("Instance one: its QEMU does not answer") == 1


def test_hanging_guest_is_probed_by_one_daemon_thread(
    gate: threading.Event,
) -> None:
    probe = LivenessProbe()
    asked: list[str] = []
    for _ in range(3):
        assert not probe.answers("one", hanging(gate, asked), SHORT)
    assert asked == ["xloud-liveness"]
    (left,) = [t for t in threading.enumerate() if t.name == "xloud-liveness"]
    assert left.daemon


def test_hanging_guest_does_not_block_the_probe_of_another(gate: threading.Event) -> None:
    probe = LivenessProbe()
    assert not probe.answers("one", hanging(gate, []), SHORT)
    assert probe.answers("other", lambda: None, LIMIT)


def test_one_that_answers_again_has_a_pulse_again(gate: threading.Event) -> None:
    probe = LivenessProbe()
    asked: list[str] = []
    assert not probe.answers("one", hanging(gate, asked), SHORT)
    gate.set()
    until = time.monotonic() + LIMIT
    while not probe.answers("one", hanging(gate, asked), SHORT):
        assert time.monotonic() < until
    # Once more, and each time it is asked anew.
    before = len(asked)
    assert probe.answers("one", hanging(gate, asked), SHORT)
    assert len(asked) == before + 1


def test_who_asks_while_another_asks_waits_for_the_same_answer(gate: threading.Event) -> None:
    probe = LivenessProbe()
    asked: list[str] = []
    answers: list[bool] = []

    def ask() -> None:
        answers.append(probe.answers("one", hanging(gate, asked), LIMIT))

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
    probe, gate, asked = LivenessProbe(), threading.Event(), []

    def late() -> None:
        asked.append(1)
        gate.wait(LIMIT)

    assert not probe.answers("one", late, 0.0)
    gate.set()
    until = time.monotonic() + LIMIT
    while not probe.answers("one", late, 0.0):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert asked == [1]


def test_an_answer_of_long_ago_is_none() -> None:
    clock = ManualClock()
    probe, gate = LivenessProbe(now=clock.now), threading.Event()
    assert not probe.answers("one", gate.wait, 0.0)
    gate.set()
    for thread in [t for t in threading.enumerate() if t.name == "xloud-liveness"]:
        thread.join(LIMIT)
    clock.advance(60)
    again = threading.Event()
    assert not probe.answers("one", again.wait, 0.0)
    again.set()


def test_an_answer_that_nobody_asks_for_any_more_is_forgotten(gate: threading.Event) -> None:
    clock = ManualClock()
    probe = LivenessProbe(now=clock.now)
    assert not probe.answers("one that is deleted then", hanging(gate, []), SHORT)
    (question,) = probe._questions.values()
    gate.set()
    question.thread.join(LIMIT)
    clock.advance(60)
    assert probe.answers("another", lambda: None, LIMIT)
    assert not probe._questions
