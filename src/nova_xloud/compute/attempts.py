# SPDX-License-Identifier: Apache-2.0
"""When each instance is tried again: the pauses between the tries grow while nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.drift import pause_after


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last try to repair an instance.

    :ivar like: what the instance was like then; any change makes the next try the first again
    :ivar count: how many tries were made in a row while the instance was like that, with this one
    :ivar again_at: when the next try is due, in monotonic seconds
    """

    like: object
    count: int
    again_at: float


class Attempts:
    """Remembers the last try of each instance of a host.

    :param options: ``retry_interval`` is the first pause, ``retry_max_interval`` the longest, both
        in seconds
    :param now: returns monotonic seconds
    """

    def __init__(self, options: EngineOptions, now: Callable[[], float]) -> None:
        self._options = options
        self._now = now
        self._last: dict[str, _Attempt] = {}

    def is_due(self, uuid: str, like: object) -> bool:
        """Return whether a try is due: the instance has changed, or the pause is over.

        The first try of an instance is always due. If a try is due, it is counted here, and the
        next pause begins.

        :param like: what the instance is like now, to be compared with the last try
        """
        last, now = self._last.get(uuid), self._now()
        count = 1
        if last is not None and last.like == like:
            if now < last.again_at:
                return False
            count = last.count + 1
        pause = pause_after(count, self._options.retry_interval, self._options.retry_max_interval)
        self._last[uuid] = _Attempt(like, count, now + pause)
        return True

    def is_paused(self, uuid: str) -> bool:
        """Return whether the pause after the last try of an instance is not over."""
        last = self._last.get(uuid)
        return last is not None and self._now() < last.again_at

    def forget(self, uuid: str) -> None:
        """Forget the last try of an instance, so that its next try is the first again."""
        self._last.pop(uuid, None)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget the tries of all instances but ``uuids``."""
        self._last = {uuid: last for uuid, last in self._last.items() if uuid in uuids}
