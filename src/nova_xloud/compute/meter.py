# SPDX-License-Identifier: Apache-2.0
"""The port by which the engine reports events to metrics, and a meter that counts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.sample import Sample
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused, Refused


@dataclass(frozen=True, slots=True)
class PassEntry:
    """One instance in a pass: its sample, its maximum and its project.

    :ivar sample: the sizes and conditions that the pass has read; None if a run of the instance was
        queued or going on, because a run reports its own samples
    :ivar maximum: the size of the flavor
    :ivar project_id: the project that the instance belongs to
    """

    sample: Sample | None
    maximum: Size
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What a round of automatic growth reports.

    :ivar seconds: how long the round took
    :ivar servers: how many servers have each mode, by the mode's name
    :ivar recommended: the recommended size of each server whose guest was read in this round, by
        UUID
    :ivar codes: how many recommendations of one resource have each reason code, in this round
    :ivar deferred: how many servers do not get what is recommended, by the reason code
    :ivar deferred_servers: the UUIDs of these servers
    :ivar oldest_known: how many seconds ago the needs were last known of the guest that was read
        in this round and is known least lately (``GuestState.known_at``); 0.0 if none is known
    :ivar oldest_wish: the longest time in seconds for which each round has decided to request
        another size for a server, and its desired size has not changed though no reason is known
        (``GuestState.wished_at``); 0.0 if there is no such server
    """

    seconds: float
    servers: Mapping[str, int]
    recommended: Mapping[str, Size]
    codes: Mapping[str, int]
    deferred: Mapping[str, int]
    deferred_servers: frozenset[str]
    oldest_known: float
    oldest_wish: float


class Meter(Protocol):
    """The port to metrics: the engine calls one of its methods at each event that is counted.

    The methods must neither raise nor block.
    """

    def refused(self, code: str) -> None:
        """Count an adjustment that this host refused.

        :param code: the stable reason code, ``xloud.<something>``
        """

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        """Count an adjustment that this host admitted.

        The claim and the record are written already, unless there was nothing to do.

        :param generation: the generation of the desired size
        :param began: when the request came to this host, in monotonic seconds
        :param nothing_to_do: the instance had the size already, so nothing was written and no run
            follows
        """

    def sampled(self, uuid: str, sample: Sample, project_id: str = "") -> None:
        """Take over the newest sizes and conditions that a run knows of an instance.

        :param project_id: the project that the instance belongs to; empty if it is not known
        """

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        """Count a run that has ended.

        :param phase: how the run ended
        :param code: the stable reason code of the run's error; empty if it ended without an error
        :param asked: the run is an event of the instance action of a request, so its end counts as
            a result of that request. False for a run that only repairs a drift or releases a claim
        """

    def drifted(self, uuid: str, why: str) -> None:
        """Count a drift that a pass has found, and for which it queues a run.

        :param why: the code of the :class:`nova_xloud.core.convergence.drift.Drift`
        """

    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        """Count a pass over the host, and take over the samples that it has read.

        :param seconds: how many seconds the pass took
        :param entries: by UUID, the elastic instances of the host that are driven to their size or
            whose guest runs; the samples of all other instances are dropped
        """

    def round_finished(self, report: RoundReport) -> None:
        """Take over what a round of automatic growth has found."""

    def scaled(self, *, grows: bool) -> None:
        """Count a request of automatic growth that was admitted.

        :param grows: whether it makes a resource larger
        """


class NoMeter:
    """A :class:`Meter` that counts nothing, for a host where no metrics are served."""

    def refused(self, code: str) -> None:
        """Do not count the refusal; see :meth:`nova_xloud.compute.meter.Meter.refused`."""

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        """Do not count the adjustment; see :meth:`nova_xloud.compute.meter.Meter.admitted`."""

    def sampled(self, uuid: str, sample: Sample, project_id: str = "") -> None:
        """Drop the sample; see :meth:`nova_xloud.compute.meter.Meter.sampled`."""

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        """Do not count the run; see :meth:`nova_xloud.compute.meter.Meter.ended`."""

    def drifted(self, uuid: str, why: str) -> None:
        """Do not count the drift; see :meth:`nova_xloud.compute.meter.Meter.drifted`."""

    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        """Do not count the pass; see :meth:`nova_xloud.compute.meter.Meter.pass_finished`."""

    def round_finished(self, report: RoundReport) -> None:
        """Drop the report; see :meth:`nova_xloud.compute.meter.Meter.round_finished`."""

    def scaled(self, *, grows: bool) -> None:
        """Do not count the request; see :meth:`nova_xloud.compute.meter.Meter.scaled`."""


def ending(error: Exception) -> tuple[Phase, str]:
    """Return the phase and the stable reason code of a run that ended with ``error``.

    The code is ``xloud.failed`` if the error has none of its own.
    """
    match error:
        case GuestRefused(code=code):
            return Phase.GUEST_REFUSED, code
        case Refused():
            return Phase.FAILED, error.reason_code
    return Phase.FAILED, "xloud.failed"
