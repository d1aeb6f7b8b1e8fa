# SPDX-License-Identifier: Apache-2.0
"""Agents that do not answer keep nobody, and no more than one thread each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.patience import LIMIT
from nova_xloud import releases
from nova_xloud.compute.agents import LEFT_BEHIND, SECONDS, Agents
from nova_xloud.errors import AgentUnavailable, DomainCallFailed
from tests.unit.waiting import wait_until

SOON = 0.1
MACHINE = releases.machine_threads()


class Hanging:
    """Calls that hang until :attr:`on`, in order."""

    def __init__(self) -> None:
        self.on = MACHINE.Event()
        self.begun: list[str] = []

    def call(self, name: str) -> Callable[[], str]:
        def do() -> str:
            self.begun.append(name)
            self.on.wait(20)
            return name

        return do


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.on.set()


def agents(seconds: float = SOON) -> Agents:
    return Agents(MACHINE, seconds)


def ended(agents: Agents, uuid: str) -> Any:
    """What it says once the thread that was left behind has ended."""
    until = time.monotonic() + LIMIT
    while True:
        try:
            return agents.ask(uuid, lambda: "again")
        except AgentUnavailable:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_an_answer_comes_back_as_it_is() -> None:
    assert agents(SECONDS).ask("a", lambda: {"online": "0-1"}) == {"online": "0-1"}
    assert agents(SECONDS).ask("a", lambda: None) is None


def test_an_error_comes_back_as_it_is() -> None:
    def fail() -> None:
        raise DomainCallFailed("disabled")

    asked = agents(SECONDS)
    for _ in range(2):
        with pytest.raises(DomainCallFailed, match="disabled"):
            asked.ask("a", fail)


def test_the_call_is_made_in_a_thread_of_its_own() -> None:
    mine = MACHINE.get_ident()
    assert agents(SECONDS).ask("a", MACHINE.get_ident) != mine


def test_one_that_does_not_answer_is_none_until_it_has(hanging: Hanging) -> None:
    asked = agents()
    began = time.monotonic()
    with pytest.raises(AgentUnavailable, match=r"did not answer in 0\.1 s"):
        asked.ask("a", hanging.call("first"))
    with pytest.raises(AgentUnavailable, match="has not answered an earlier call"):
        asked.ask("a", hanging.call("second"))
    assert time.monotonic() - began < 5
    # No other thread was begun for it; others are asked.
    assert hanging.begun == ["first"]
    assert asked.ask("b", lambda: 3) == 3
    hanging.on.set()
    assert ended(asked, "a") == "again"


def test_who_asks_beside_another_asks_after_it() -> None:
    asked, done = agents(SECONDS), []

    def slow() -> None:
        time.sleep(0.2)
        done.append("slow")

    other = threading.Thread(target=asked.ask, args=("a", slow))
    other.start()
    wait_until(lambda: asked._calls)
    asked.ask("a", lambda: done.append("quick"))
    other.join()
    assert done == ["slow", "quick"]


def test_threads_left_behind_are_limited(hanging: Hanging) -> None:
    """libvirtd answers five calls of nova-compute's connection at a time."""
    asked = agents()
    for number in range(LEFT_BEHIND + 3):
        with pytest.raises(AgentUnavailable):
            asked.ask(f"server {number}", hanging.call(f"server {number}"))
    assert len(hanging.begun) == LEFT_BEHIND < 5
    with pytest.raises(AgentUnavailable, match="have not answered"):
        asked.ask("another", lambda: "well")
    hanging.on.set()
    assert ended(asked, "another") == "again"


def test_no_more_are_asked_at_a_time_than_may_be_left_behind(hanging: Hanging) -> None:
    """All that are asked at once may hang at once, and libvirtd would answer nothing more."""
    asked = agents(0.5)

    def ask(name: str) -> None:
        with contextlib.suppress(AgentUnavailable):
            asked.ask(name, hanging.call(name))

    many = [threading.Thread(target=ask, args=(f"server {n}",)) for n in range(LEFT_BEHIND + 5)]
    for thread in many:
        thread.start()
    for thread in many:
        thread.join(10)
    assert len(hanging.begun) == LEFT_BEHIND < 5
    hanging.on.set()
    assert ended(asked, "another") == "again"


def test_who_comes_when_as_many_are_asked_waits_its_turn() -> None:
    asked, answers = agents(SECONDS), []

    def ask(name: str) -> None:
        answers.append(asked.ask(name, lambda: time.sleep(0.1) or name))

    many = [threading.Thread(target=ask, args=(f"server {n}",)) for n in range(LEFT_BEHIND + 5)]
    for thread in many:
        thread.start()
    for thread in many:
        thread.join(10)
    assert len(answers) == LEFT_BEHIND + 5


def test_an_agent_has_as_long_as_libvirt_gives_it_to_be_greeted() -> None:
    assert SECONDS == 5
