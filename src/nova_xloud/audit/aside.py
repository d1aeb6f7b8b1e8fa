# SPDX-License-Identifier: Apache-2.0
"""Calls to many hosts at a time, none of which keeps the command from going on, or from ending.

All threads are daemons. Those of ``concurrent.futures`` are waited for when the process ends, so
that Ctrl-C would take as long as the slowest host.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")

# Seconds between two looks whether a call that may be left behind has answered.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


def side_by_side(do: Callable[[K], T], things: Sequence[K], at_once: int) -> Iterator[tuple[K, T]]:
    """Each of ``things`` with what ``do`` returns for it, as the answers come.

    When the caller stops early, or one call raises, no further call is begun, and none that is on
    its way is waited for.

    :param at_once: the largest number of calls at a time
    :raises BaseException: what the first call that failed raised
    """
    left, came = deque(things), queue.Queue[tuple[K, Callable[[], T]]]()
    stopped = threading.Event()

    def work() -> None:
        while left and not stopped.is_set():
            try:
                thing = left.popleft()
            except IndexError:
                return  # Another thread has taken the last one.
            came.put((thing, _outcome(functools.partial(do, thing))))

    for _ in range(min(at_once, len(things))):
        threading.Thread(target=work, name="xloud-host", daemon=True).start()
    try:
        for _ in things:
            thing, outcome = came.get()
            yield thing, outcome()
    finally:
        stopped.set()


def within(seconds: float, do: Callable[[], T], threads: Any = threading) -> T:
    """What ``do`` returns or raises, in a thread that is left behind when the time is over.

    :param threads: the module ``threading`` of the machine. On eventlet a call to libvirt in any
        other thread stops the whole process, and in one of the machine nothing of eventlet's may
        be used; so the caller looks again and again, in place of being woken
    :raises TimeoutError: there was no answer within so many seconds
    """
    came: list[Callable[[], T]] = []
    threads.Thread(
        target=lambda: came.append(_outcome(do)), name="xloud-aside", daemon=True
    ).start()
    until, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while not came:
        remaining = until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError(f"no answer within {seconds:g} s")
        time.sleep(min(pause, remaining))
        pause = min(2 * pause, _LONGEST_PAUSE)
    return came[0]()


def _outcome(do: Callable[[], T]) -> Callable[[], T]:
    """Make the call. What comes back returns the answer, or raises the error, when it is called."""
    try:
        answer = do()
    except BaseException as error:  # noqa: BLE001 - who waits for the call raises it
        raised = error

        def fail() -> T:
            raise raised

        return fail
    return lambda: answer
