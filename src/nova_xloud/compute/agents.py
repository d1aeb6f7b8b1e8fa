# SPDX-License-Identifier: Apache-2.0
"""Call QEMU guest agents, and wait only for some seconds for one that does not answer.

An agent belongs to the tenant. An agent that answers libvirt's greeting and then nothing more
blocks the call without a limit, because libvirt sets no time-out for a command by default. One can
be set, but it is state of the domain, and Nova's quiesced snapshots rely on its value. So each call
is made in a thread that can be abandoned, with at most one such thread for each domain.
The threads are operating system threads also where eventlet has replaced ``threading``: under
eventlet Nova's own calls to libvirt share twenty threads, and agents could occupy all of them.

By default libvirtd answers five calls of one client at a time (``max_client_requests``), and an
abandoned call still counts as one of them. All calls that go on may have to be abandoned. So at
most :data:`LEFT_BEHIND` go on at a time; and while that many are abandoned, no agent is called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from nova_xloud.errors import AgentUnavailable

# Seconds: as long as libvirt itself waits for an agent to answer its greeting.
SECONDS = 5.0
# How many calls may run or be abandoned at a time on a host: fewer than libvirtd's five.
LEFT_BEHIND = 3
# Seconds between two checks whether an agent has answered; answers take 4 to 6 ms (measured).
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


class _Call:
    """One call to an agent, in a thread that the constructor starts."""

    def __init__(self, do: Callable[[], Any], threads: Any) -> None:
        self._do = do
        self._answer: Any = None
        self._error: BaseException | None = None
        self._thread = threads.Thread(target=self._run, name="xloud-agent", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # This thread must not use anything that eventlet has patched, and logging is.
        try:
            self._answer = self._do()
        except BaseException as error:  # noqa: BLE001 - answer() raises it
            self._error = error

    def is_over(self) -> bool:
        """Return whether the call has returned or raised."""
        return not self._thread.is_alive()

    def answer(self) -> Any:
        """Return what the call returned, or raise what the call raised; None if it is not over."""
        if self._error is not None:
            raise self._error
        return self._answer


class Agents:
    """Calls the guest agents of one host's instances.

    :param threads: the module ``threading``, not patched by eventlet
    :param seconds: how many seconds an answer may take; :meth:`ask` also waits so long at most
        before it makes the call
    :param now: returns monotonic seconds
    :param sleep: sleeps for so many seconds
    """

    def __init__(
        self,
        threads: Any = threading,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._threads = threads
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        # By UUID of the instance: the call that runs, or was abandoned.
        self._calls: dict[str, _Call] = {}
        self._given_up: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, uuid: str, do: Callable[[], Any]) -> Any:
        """Call ``do`` in a thread of its own; return what it returns, or raise what it raises.

        Before that, wait until no call to this agent, and fewer than :data:`LEFT_BEHIND` calls to
        agents, are going on. If the agent does not answer in time, the call is abandoned: its
        thread goes on, and the agent is not called again before that thread has ended.

        :param uuid: the UUID of the instance
        :param do: a call to libvirt that the guest's agent has to answer
        :raises AgentUnavailable: the agent did not answer in time; or ``do`` was not called,
            because this agent or too many others still have not answered earlier calls
        """
        until = self._now() + self._seconds
        while True:
            with self._lock:
                for other in [u for u, call in self._calls.items() if call.is_over()]:
                    self._forget(other)
                if len(self._given_up) >= LEFT_BEHIND:
                    raise AgentUnavailable(
                        f"instance {uuid}: its guest agent was not called, because {LEFT_BEHIND} "
                        f"guest agents of this host have not answered earlier calls yet"
                    )
                is_free = len(self._calls) < LEFT_BEHIND
                if is_free and uuid not in self._calls:
                    mine = self._calls[uuid] = _Call(do, self._threads)
                    break
                left_behind = uuid in self._given_up
            if left_behind or self._now() >= until:
                if uuid in self._calls:
                    why = "it has not answered an earlier call yet"
                else:
                    why = "other guest agents of this host have not answered yet"
                raise AgentUnavailable(
                    f"instance {uuid}: its guest agent was not called, because {why}"
                )
            self._sleep(_LONGEST_PAUSE)
        # The time spent waiting for other agents does not count against this one.
        return self._answer(uuid, mine, self._now() + self._seconds)

    def _answer(self, uuid: str, mine: _Call, until: float) -> Any:
        pause = _FIRST_PAUSE
        while not mine.is_over():
            left = until - self._now()
            if left <= 0:
                with self._lock:
                    if self._calls.get(uuid) is mine:
                        self._given_up.add(uuid)
                raise AgentUnavailable(
                    f"instance {uuid}: its guest agent did not answer in {self._seconds:g} s"
                )
            self._sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        with self._lock:
            if self._calls.get(uuid) is mine:
                self._forget(uuid)
        return mine.answer()

    def _forget(self, uuid: str) -> None:
        del self._calls[uuid]
        self._given_up.discard(uuid)
