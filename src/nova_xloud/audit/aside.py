# SPDX-License-Identifier: Apache-2.0
"""Calls functions in daemon threads, so that a call that hangs does not delay the process's end.

The threads are not those of ``concurrent.futures``, because Python waits for those when the process
ends: Ctrl-C would take as long as the slowest host.
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
    """Call ``do`` with each of ``things`` in threads, and yield each thing with its result.

    Results are yielded in the order in which the calls return. When the caller stops iterating, or
    the error of a call is raised here, no further call is started, and the calls under way are not
    waited for.

    :param at_once: the largest number of calls at a time; at least 1
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
    """Call ``do`` in a thread and return its result, but wait no longer than ``seconds``.

    A call that has not returned by then goes on in its thread, and its result is dropped. An error
    that ``do`` raises in time is raised here.

    :param threads: Python's own module ``threading``, even where eventlet has replaced it: a call
        to libvirt in a green thread of eventlet would stop the whole process
    :raises TimeoutError: ``do`` has not returned within ``seconds``
    """
    # This polls, and does not wait on a lock: on eventlet a thread of the operating system must not
    # use eventlet's locks.
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
    """Call ``do``, and return a function that returns its result, or raises the error it raised."""
    try:
        answer = do()
    except BaseException as error:  # noqa: BLE001 - who waits for the call raises it
        raised = error

        def fail() -> T:
            raise raised

        return fail
    return lambda: answer
