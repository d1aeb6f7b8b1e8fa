# SPDX-License-Identifier: Apache-2.0
"""What a run waits for, without a thread: a lock, a QEMU that answers, or only some time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeVar

from nova_xloud.clock import Clock
from nova_xloud.compute.ports import Instance
from nova_xloud.errors import InvalidState

# Seconds that a run goes on trying for the lock of an instance that an operation has, and between
# two tries. Most are done sooner; after one that takes minutes a pass looks at the instance.
LOCK_WAITS = 10.0
LOCK_AGAIN = 0.25
# Seconds in which QEMU has to answer, those in which it nearly always does, and between two looks
# at one that has not yet.
ANSWER_WAITS = 10.0
ANSWER_AT_ONCE = 0.05
ANSWER_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class Pause:
    """A run has nothing to do for a while; it holds no lock and no thread meanwhile.

    :ivar seconds: until it goes on; it goes on sooner where somebody asks for something new
    :ivar may_wait: what it does next is a call in which libvirt waits for the guest, for seconds
    """

    seconds: float
    may_wait: bool = False


T = TypeVar("T")
# A part of a run: it is sent True where somebody has asked for something since it yielded.
Waits = Generator[Pause, bool | None, T]


def in_the_same_lane(wait: Waits[T], *, may_wait: bool) -> Waits[T]:
    """``wait``, where each pause says of the run that it may wait for its guest afterwards, or not.

    So a run that was given a thread for that has one still when a lock or an answer came late.
    """
    try:
        pause = next(wait)
        while True:
            pause = wait.send((yield replace(pause, may_wait=may_wait)))
    except StopIteration as end:
        value: T = end.value
        return value


def answers(ask: Callable[[float], bool], clock: Clock) -> Waits[bool]:
    """Whether the guest's QEMU, or Placement, answers; true too where there is no QEMU.

    :param ask: ``answers`` or ``placement_answers`` of an :class:`Instance`
    """
    began, within = clock.now(), ANSWER_AT_ONCE
    while not ask(within):
        if clock.closing() or clock.now() - began > ANSWER_WAITS:
            return False
        within = 0.0
        yield Pause(ANSWER_AGAIN)
    return True


def locked(instance: Instance, clock: Clock) -> Waits[AbstractContextManager[object]]:
    """The instance's lock, taken: to be left in the same turn.

    :raises InvalidState: an operation has kept it for longer than is waited
    """
    began = clock.now()
    while True:
        taken = contextlib.ExitStack()
        try:
            taken.enter_context(instance.lock(0.0))
        except InvalidState:
            if clock.closing() or clock.now() - began > LOCK_WAITS:
                raise
        else:
            return taken
        yield Pause(LOCK_AGAIN)
