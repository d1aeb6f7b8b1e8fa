# SPDX-License-Identifier: Apache-2.0
"""The CPU time that a fake guest uses: what its programs want, and what the host gives."""

from __future__ import annotations

from collections.abc import Collection

from nova_xloud.testing.clock import Clock

_NANOSECONDS = 1_000_000_000


class GuestLoad:
    """Counts each vCPU's time as the host's kernel does, from when the vCPU was plugged.

    The programs' load is spread evenly over the CPUs that are online.

    :ivar busy: how many CPUs the guest's programs would use if there were as many
    :ivar share: the part of the wanted time that the host gives, from 0 to 1; the rest is delay,
        the time that vCPUs wait for a CPU of the host
    :ivar earlier: seconds of CPU time that the guest has used since its start besides, before this
        was counted; they are in the times of the vCPU with the lowest id
    """

    def __init__(self, clock: Clock) -> None:
        self.busy = 0.0
        self.share = 1.0
        self.earlier = 0.0
        self._clock = clock
        self._at = clock.now()
        # By id of a plugged vCPU: ns used, and ns waited.
        self._used: dict[int, float] = {}
        self._waited: dict[int, float] = {}

    def boot(self) -> None:
        """Forget all times: a new QEMU process has new threads."""
        self._used, self._waited, self._at = {}, {}, self._clock.now()
        self.earlier = 0.0

    def advance(self, plugged: Collection[int], online: Collection[int], *, runs: bool) -> None:
        """Add to each vCPU's times what it has used and has waited since the last call.

        :param plugged: the ids of the vCPUs that libvirt has; the times of all others are dropped
        :param online: the ids of the CPUs that the guest uses
        :param runs: whether the guest has run in that time
        """
        now = self._clock.now()
        seconds, self._at = max(now - self._at, 0.0), max(now, self._at)
        used = min(self.busy / len(online), 1.0) * seconds * _NANOSECONDS if online and runs else 0
        self._used = {
            i: self._used.get(i, 0.0) + (used * self.share if i in online else 0) for i in plugged
        }
        self._waited = {
            i: self._waited.get(i, 0.0) + (used * (1 - self.share) if i in online else 0)
            for i in plugged
        }

    def times(self) -> dict[int, tuple[int, int]]:
        """Return the nanoseconds that each vCPU has used and has waited, by its id."""
        first = min(self._used, default=None)
        return {
            i: (int(used + (self.earlier * _NANOSECONDS if i == first else 0)), int(waited))
            for (i, used), waited in zip(self._used.items(), self._waited.values(), strict=True)
        }
