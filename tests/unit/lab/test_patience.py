# SPDX-License-Identifier: Apache-2.0
"""Waits are limited by the looks that were taken, and by the clock only if these hang."""

from lab.patience import LOOK, SLOWEST, Patience


class Machine:
    """A clock that goes on by ``pause`` with each look."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += self.pause
        return self.now


def waited(seconds: float, pause: float) -> float:
    """Seconds of the clock until a wait is over in which nothing ever comes."""
    machine = Machine(pause)
    began = machine.now
    patience = Patience(seconds, machine)
    while not patience.is_over():
        pass
    return machine.now - began


def test_on_an_idle_machine_it_is_the_clock() -> None:
    assert 10 <= waited(10, pause=0.05) < 10.2


def test_slow_machine_gets_as_many_looks_as_a_fast_one() -> None:
    assert 10 / LOOK * 3 <= waited(10, pause=3) < 10 / LOOK * 3 + 7


def test_looks_that_hang_do_not_make_it_endless() -> None:
    assert 10 * SLOWEST <= waited(10, pause=60) <= 10 * SLOWEST + 2 * 60
