# SPDX-License-Identifier: Apache-2.0
"""How often the balloon drivers of the scaled guests report, and how they are made to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from nova_xloud.compute.ports import HostInstances
from nova_xloud.core.autoscaling.need import is_stale
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.convergence.balloon import OFTEN
from nova_xloud.errors import DomainError, Refused

LOG = logging.getLogger(__name__)

# Seconds for which a round waits for a QEMU that has just started, before it sets something there.
ANSWERS_WITHIN = 1.0
# For how many guests a round sets the period of the statistics; each takes some 20 ms.
SETS_A_ROUND = 20


@dataclass(frozen=True, slots=True)
class _Set:
    """The short period was set for a guest.

    :ivar boot_id: in which start of the guest, ``GuestSample.boot_id``
    :ivar at: when, seconds since the epoch
    """

    boot_id: int | None
    at: float

    def lasts(self, sample: GuestSample) -> bool:
        """Return whether the guest has that period still, as far as ``sample`` shows.

        It has not in another start. It has not either if a report that has come since is too old
        by now: somebody has set another period, as a pass does for the mode ``off``. A driver that
        has sent no report since may have died, and to set the period again is of no use.
        """
        if sample.boot_id != self.boot_id:
            return False
        has_reported = sample.reported_at is not None and sample.reported_at > self.at
        return not (has_reported and is_stale(sample.reported_at, sample.report_period, sample.at))


class Periods:
    """Has the balloon drivers of the scaled guests report more often, and knows how often they do.

    :param usual: ``[libvirt] mem_stats_period_seconds``; 0: Nova's guests have no balloon
    :param wall: returns seconds since the epoch
    """

    def __init__(
        self, host_instances: HostInstances, usual: int, wall: Callable[[], float]
    ) -> None:
        self._host_instances = host_instances
        self._usual = usual
        self._wall = wall
        self._short = min(OFTEN, usual)
        self._set: dict[str, _Set] = {}
        # For how many guests this round may still set the period.
        self._may_set = 0

    def begin_round(self, uuids: Collection[str]) -> dict[str, float]:
        """Return the seconds between two reports of each of ``uuids``, and forget all others.

        It is not known yet which of the guests have started anew since: see :meth:`checked`.
        """
        self._set = {uuid: one for uuid, one in self._set.items() if uuid in uuids}
        self._may_set = SETS_A_ROUND
        return {uuid: float(self._short if uuid in self._set else self._usual) for uuid in uuids}

    def checked(self, uuid: str, sample: GuestSample) -> GuestSample:
        """Return ``sample`` with the period of the guest, and shorten that if it is not short.

        The period is shortened once in each start of the guest, and again if the reports show that
        somebody has set another one. A round does it for :data:`SETS_A_ROUND` guests at most,
        because it takes some time, and after a restart of nova-compute it is due for all guests.
        After the mode was set to ``off``, a pass sets the usual period again.
        """
        known = self._set.get(uuid)
        if known is not None and known.boot_id != sample.boot_id:
            # This start of the guest has the period of its definition.
            sample = replace(sample, report_period=float(self._usual))
        if not (self._short and self._may_set) or (known is not None and known.lasts(sample)):
            return sample
        self._may_set -= 1
        if self._shorten(uuid):
            self._set[uuid] = _Set(sample.boot_id, self._wall())
        return sample

    def _shorten(self, uuid: str) -> bool:
        """Set the short period, and return whether that was done."""
        try:
            instance = self._host_instances.open(uuid, "")
            if not instance.answers(ANSWERS_WITHIN):
                return False
            with instance.lock(0):
                instance.domain().set_statistics_period(self._short)
        except (DomainError, Refused) as error:
            LOG.debug(
                "Instance %s: the period of the balloon's statistics was not shortened: %s",
                uuid,
                error,
            )
            return False
        return True
