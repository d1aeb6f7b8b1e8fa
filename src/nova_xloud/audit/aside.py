# SPDX-License-Identifier: Apache-2.0
"""Calls to many hosts at a time, none of which can block the command or the end of the process.

All threads are daemons. Python waits for the threads of ``concurrent.futures`` when the process
ends, so with those Ctrl-C would take as long as the slowest host.
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

# Seconds between two checks whether a call that can be abandoned has returned.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


def side_by_side(do: Callable[[K], T], things: Sequence[K], at_once: int) -> Iterator[tuple[K, T]]:
    """Call ``do`` for each of ``things`` in threads, and yield each thing with its result.

    Results are yielded in the order in which the calls return. When the caller stops iterating, or
    one call raises, no further call is started, and nobody waits for the calls under way.

    :param at_once: the largest number of calls at a time
    :raises BaseException: the error of the first call that failed
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
    """Call ``do`` in a thread and return its result, but abandon the thread after ``seconds``.

    An abandoned thread goes on by itself, and its result is dropped. An error that ``do`` raises in
    time is raised here.

    :param threads: the module ``threading``, not replaced by eventlet. On eventlet a call to
        libvirt in a green thread stops the whole process, and a thread of the operating system must
        not use eventlet's locks; so the caller polls for the result instead of being woken
    :raises TimeoutError: ``do`` has not returned within so many seconds
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
    """Call ``do``, and return a function that returns the result of ``do`` or raises its error."""
    try:
        answer = do()
    except BaseException as error:  # noqa: BLE001 - who waits for the call raises it
        raised = error

        def fail() -> T:
            raise raised

        return fail
    return lambda: answer
