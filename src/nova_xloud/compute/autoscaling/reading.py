# SPDX-License-Identifier: Apache-2.0
"""Read the guests of a round, and leave out CPU time of which it is not known when it was read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from nova_xloud.compute.autoscaling.ports import ScaledGuests
from nova_xloud.core.autoscaling.need import late_by
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size

LOG = logging.getLogger(__name__)


class Reading:
    """Reads all guests of a host in one call to libvirt, which may take long.

    One QEMU that answers late delays the call. When within the call another guest was read is not
    known then, so the CPU time that its vCPUs have used is of an unknown interval. That CPU time is
    left out of the samples: it is unknown for this interval and the next one, and so neither looks
    like a load nor like none. All memory figures are kept, because they have times of their own.

    If a QEMU is late by about the same time in each call, each guest is read at about the same
    moment of each call. Then the intervals are known well enough, and the CPU time is kept. If a
    QEMU is late by another time in each call, the CPU time of no guest is known for as long as that
    lasts: no guest of the host gets or loses vCPUs, and only memory grows and shrinks.

    :param guests: makes the call
    :param interval: seconds between two rounds
    :param now: returns monotonic seconds
    """

    def __init__(self, guests: ScaledGuests, interval: float, now: Callable[[], float]) -> None:
        self._guests = guests
        self._slow = late_by(interval)
        self._now = now
        self._took = 0.0

    def samples(
        self, desired: Mapping[str, Size], periods: Mapping[str, float]
    ) -> Mapping[str, GuestSample]:
        """Return a sample of each guest that runs, as the port does, see :class:`ScaledGuests`.

        :raises DomainError: libvirt could not be asked
        """
        began = self._now()
        found = self._guests.samples(desired, periods)
        took, before = self._now() - began, self._took
        self._took = took
        if took <= self._slow or abs(took - before) <= self._slow:
            return found
        LOG.info(
            "libvirt took %.1f s to say what the guests of this host use, most likely because the "
            "QEMU of one of them answers late. Automatic growth does not count the CPU time of "
            "this round, so vCPUs neither grow nor shrink in this round and the next one, and as "
            "long as each call takes another time.",
            took,
        )
        return {
            uuid: replace(one, cpu_seconds=None, delay_seconds=None) for uuid, one in found.items()
        }
