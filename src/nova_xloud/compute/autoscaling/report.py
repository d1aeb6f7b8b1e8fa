# SPDX-License-Identifier: Apache-2.0
"""What a round of automatic growth reports to the meter.

Also a warning if a server should have another size for a long time, its desired size does not
change, and no reason is known.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping

from nova_xloud.compute.autoscaling.state import GuestState
from nova_xloud.compute.meter import RoundReport
from nova_xloud.compute.ports import ManagedInstance

LOG = logging.getLogger(__name__)

# Seconds for which a guest may wish for something without any server being changed or deferred,
# before that is logged. The longest pause after a refusal is shorter.
STANDS_STILL_AFTER = 600.0


def report_of(
    members: Mapping[str, ManagedInstance],
    states: Mapping[str, GuestState],
    read: Collection[str],
    seconds: float,
    now: float,
    clock: float,
) -> RoundReport:
    """Return the report of a round.

    :param members: all instances that are scaled, by UUID
    :param states: the states of these instances' guests, by UUID
    :param read: the UUIDs of the instances whose guests were read in the round
    :param seconds: how long the round took
    :param now: the end of the round, seconds since the epoch
    :param clock: the end of the round, monotonic seconds
    """
    known = {uuid: states[uuid] for uuid in members if uuid in states}
    ages = [
        now - at for uuid, one in known.items() if uuid in read and (at := one.known_at) is not None
    ]
    wishes = [clock - one.wished_at for one in known.values() if one.wished_at is not None]
    return RoundReport(
        seconds=seconds,
        servers=Counter(one.view.scaling.mode.value for one in members.values()),
        recommended={
            uuid: one.recommendation.size
            for uuid, one in known.items()
            if one.recommendation is not None
        },
        codes=Counter(
            advice.code
            for one in known.values()
            if one.recommendation is not None
            for advice in (one.recommendation.vcpus, one.recommendation.memory_mb)
        ),
        deferred=Counter(one.deferral.code for one in known.values() if one.deferral is not None),
        deferred_servers=frozenset(uuid for uuid, one in known.items() if one.deferral is not None),
        oldest_known=max([0.0, *ages]),
        oldest_wish=max(wishes, default=0.0),
    )


class Standstill:
    """Logs a warning if a server does not get a recommended size for long, and nobody knows why.

    That is so if each round has decided for :data:`STANDS_STILL_AFTER` seconds to request another
    size, the desired size has not changed, and growth is not deferred. The warning is logged once,
    and again only after no server was in that state.
    """

    def __init__(self) -> None:
        self._is_told = False

    def look(self, report: RoundReport) -> None:
        """Log the warning if it is due after the round that ``report`` is about."""
        if report.oldest_wish < STANDS_STILL_AFTER:
            self._is_told = False
            return
        if self._is_told:
            return
        self._is_told = True
        LOG.warning(
            "Automatic growth stands still for at least one server of this host: for %d s another "
            "size has been recommended than is desired, the desired size has not changed, and no "
            "reason to defer the change is known. For %d other servers there is such a reason. "
            "openstack server adjust list --all-projects --recommended lists the servers; the "
            "journal ([xloud] autoscale_journal) has what became of each recommendation.",
            report.oldest_wish,
            sum(report.deferred.values()),
        )
