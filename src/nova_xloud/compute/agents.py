# SPDX-License-Identifier: Apache-2.0
"""Ask guests' agents, without being kept by one that does not answer.

An agent is its tenant's. One that answers libvirt's greeting and then nothing more keeps the call
for ever, because libvirt gives it no time-out of its own; the one that can be set is state of the
domain, and Nova's quiesced snapshots rely on what it is. So each call is made in a thread that may
be left behind, at most one a domain. It is a thread of the machine also where eventlet has replaced
those: there, Nova's own calls to libvirt share twenty of them, and an agent could take them all.

libvirtd answers five calls of one client at a time (``max_client_requests``), and one that was left
behind is one of them. So no more than a few are made at a time, since all of them may be left
behind; and while as many have been, no agent is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from nova_xloud.errors import AgentUnavailable

# What libvirt itself gives an agent to answer its greeting.
SECONDS = 5.0
# How many calls may be on their way or left behind on a host: fewer than libvirtd's five.
LEFT_BEHIND = 3
# Seconds between two looks whether it has answered; answers take 4 to 6 ms (measured).
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


class _Call:
    """One call, in a thread of its own."""

    def __init__(self, do: Callable[[], Any], threads: Any) -> None:
        self._do = do
        self._answer: Any = None
        self._error: BaseException | None = None
        self._thread = threads.Thread(target=self._run, name="xloud-agent", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # Nothing of eventlet's may be used in here, not even a log.
        try:
            self._answer = self._do()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            self._error = error

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def answer(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._answer


class Agents:
    """The agents of one host's guests.

    :param threads: the module ``threading`` of the machine
    :param seconds: how long an answer may take
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
        # Of each domain the call that is on its way, or was left behind.
        self._calls: dict[str, _Call] = {}
        self._given_up: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, uuid: str, do: Callable[[], Any]) -> Any:
        """What ``do`` returns or raises.

        :param uuid: of the instance
        :param do: a call to libvirt that the guest's agent has to answer
        :raises AgentUnavailable: not in time; a call before, or too many others, are not answered
        """
        until = self._now() + self._seconds
        while True:
            with self._lock:
                for other in [u for u, call in self._calls.items() if call.is_over()]:
                    self._forget(other)
                if len(self._given_up) >= LEFT_BEHIND:
                    raise AgentUnavailable(f"{LEFT_BEHIND} agents on this host owe an answer")
                is_free = len(self._calls) < LEFT_BEHIND
                if is_free and uuid not in self._calls:
                    mine = self._calls[uuid] = _Call(do, self._threads)
                    break
                left_behind = uuid in self._given_up
            if left_behind or self._now() >= until:
                who = "its agent still owes" if uuid in self._calls else "other agents still owe"
                raise AgentUnavailable(f"instance {uuid}: {who} an answer")
            self._sleep(_LONGEST_PAUSE)
        # However long others were waited for: one that answers is not left behind for it.
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
                    f"instance {uuid}: its agent did not answer in {self._seconds:g} s"
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
