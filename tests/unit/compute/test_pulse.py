# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's QEMU answers, and that who asks is not kept by one that does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.pulse import SECONDS, Pulse
from nova_xloud.errors import DomainCallFailed, DomainNotFound, DomainNotRunning
from nova_xloud.testing import FakeDomain
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
    assert Pulse().beats("one", lambda: None)


@pytest.mark.parametrize(
    "error", [DomainNotFound("gone"), DomainNotRunning("off"), DomainCallFailed("no"), KeyError()]
)
def test_an_error_is_an_answer_too(error: Exception) -> None:
    def ask() -> None:
        raise error

    pulse = Pulse()
    assert pulse.beats("one", ask)
    assert pulse.beats("one", lambda: None)


def test_a_domain_is_asked_by_its_ping() -> None:
    rig = Rig()
    assert Pulse().beats(rig.uuid, FakeDomain(rig.guest).ping)
    rig.guest.stop()
    with pytest.raises(DomainNotRunning):
        FakeDomain(rig.guest).ping()
    assert Pulse().beats(rig.uuid, FakeDomain(rig.guest).ping)


def test_it_is_given_longer_than_libvirt_takes_for_a_vcpu_that_does_not_go() -> None:
    assert SECONDS > 5


def test_one_that_hangs_has_none_and_says_so(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    assert not Pulse(SHORT).beats("one", hanging(gate, []))
    assert "Instance one: its QEMU does not answer" in caplog.text


def test_one_that_hangs_is_asked_by_one_thread_only_that_the_process_does_not_wait_for(
    gate: threading.Event,
) -> None:
    pulse = Pulse(SHORT)
    asked: list[str] = []
    for _ in range(3):
        assert not pulse.beats("one", hanging(gate, asked))
    assert asked == ["xloud-pulse"]
    (left,) = [t for t in threading.enumerate() if t.name == "xloud-pulse"]
    assert left.daemon


def test_one_that_hangs_keeps_nobody_from_another(gate: threading.Event) -> None:
    pulse = Pulse(SHORT)
    assert not pulse.beats("one", hanging(gate, []))
    assert pulse.beats("other", lambda: None)


def test_one_that_answers_again_has_a_pulse_again(gate: threading.Event) -> None:
    pulse = Pulse(SHORT)
    asked: list[str] = []
    assert not pulse.beats("one", hanging(gate, asked))
    gate.set()
    until = time.monotonic() + LIMIT
    while not pulse.beats("one", hanging(gate, asked)):
        assert time.monotonic() < until
    # Once more, and each time it is asked anew.
    before = len(asked)
    assert pulse.beats("one", hanging(gate, asked))
    assert len(asked) == before + 1


def test_who_asks_while_another_asks_waits_for_the_same_answer(gate: threading.Event) -> None:
    pulse = Pulse(LIMIT)
    asked: list[str] = []
    answers: list[bool] = []

    def ask() -> None:
        answers.append(pulse.beats("one", hanging(gate, asked)))

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
