# SPDX-License-Identifier: Apache-2.0
"""Waits of a run that keep no thread: for a lock, an answer of QEMU or Placement, or a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeVar

from nova_xloud.clock import Clock
from nova_xloud.compute.ports import Instance
from nova_xloud.errors import InvalidState

# Seconds for which a run tries to take the lock of an instance that an operation has, and seconds
# between two tries. Most operations end sooner; after one that takes minutes, a pass resumes the
# instance.
LOCK_WAITS = 10.0
LOCK_AGAIN = 0.25
# Seconds in which QEMU or Placement has to answer, seconds in which they nearly always do, and
# seconds between two checks of one that has not answered yet.
ANSWER_WAITS = 10.0
ANSWER_AT_ONCE = 0.05
ANSWER_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a run has nothing to do; the run holds no lock and no thread meanwhile.

    :ivar seconds: how many seconds the pause lasts at most. It ends sooner if another run is
        submitted for the instance, or if nova-compute is stopping. 0: the run only needs another
        thread
    :ivar may_wait: whether the run needs a thread after the pause in which libvirt may wait for the
        guest for some seconds
    """

    seconds: float
    may_wait: bool = False


T = TypeVar("T")
# A part of a run; it is sent True if another run was submitted since it yielded.
Waits = Generator[Pause, bool | None, T]


def in_the_same_lane(wait: Waits[T], *, may_wait: bool) -> Waits[T]:
    """Run ``wait`` with ``may_wait`` set on each of its pauses; return what ``wait`` returns.

    So a run that has got a thread in which libvirt may wait for the guest gets such a thread again
    after it has waited for a lock or an answer.
    """
    try:
        pause = next(wait)
        while True:
            pause = wait.send((yield replace(pause, may_wait=may_wait)))
    except StopIteration as end:
        value: T = end.value
        return value


def answers(ask: Callable[[float], bool], clock: Clock) -> Waits[bool]:
    """Return whether the guest's QEMU, or Placement, answers within :data:`ANSWER_WAITS` seconds.

    The run pauses meanwhile. The result is True if there is no QEMU, and False if nova-compute is
    stopping and there is no answer at once.

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
    """Take the instance's lock, and return a context that releases the lock when it is left.

    The run pauses while the lock is held by others. It must leave the context before it pauses
    again.

    :raises InvalidState: the lock was not got within :data:`LOCK_WAITS` seconds, or it is not free
        and nova-compute is stopping
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
