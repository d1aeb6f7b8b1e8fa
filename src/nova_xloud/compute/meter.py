# SPDX-License-Identifier: Apache-2.0
"""The port through which the engine reports to metrics, and a meter that counts nothing."""

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

    :ivar sample: None if a run was queued or going on, which reports its own samples
    :ivar maximum: the size of the flavor
    :ivar project_id: the project that the instance belongs to
    """

    sample: Sample | None
    maximum: Size
    project_id: str = ""


class Meter(Protocol):
    """The port to metrics: the engine calls it for each event on this host that is counted.

    Its methods must neither raise nor block.

    Times are monotonic seconds: ``time.monotonic()``.
    """

    def refused(self, code: str) -> None:
        """Count an adjustment that this host refused.

        :param code: the stable reason code, ``xloud.<something>``
        """

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        """Count an adjustment that this host admitted.

        Its claim and its record are written, unless there was nothing to do.

        :param generation: the generation of the desired size
        :param began: when the request came to this host
        :param nothing_to_do: the instance had the size already, so nothing is written and no run
            follows
        """

    def sampled(self, uuid: str, sample: Sample) -> None:
        """Take a new sample of an instance, which a run has read: its sizes and conditions."""

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        """Count a run that has ended.

        :param phase: how the run ended
        :param code: the stable reason code of its error; empty if it ended without one
        :param asked: the run is an event of the instance action of a request, so its end counts as
            a result of that request. False for a run that only repairs a drift or releases a claim
        """

    def drifted(self, uuid: str, why: str) -> None:
        """Count a drift that a pass has found, and for which it has started a run.

        :param why: the code of the :class:`nova_xloud.core.convergence.drift.Drift`
        """

    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        """Count a pass over the host, and take the samples of all its instances.

        :param seconds: how long the pass took
        :param entries: by UUID, the elastic instances of the host that are driven to their size or
            whose guest runs; an instance that is missing has no samples any more
        """


class NoMeter:
    """A :class:`Meter` that counts nothing, for a host where no metrics are served."""

    def refused(self, code: str) -> None:
        """Do not count the refusal; see :meth:`nova_xloud.compute.meter.Meter.refused`."""

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        """Do not count the adjustment; see :meth:`nova_xloud.compute.meter.Meter.admitted`."""

    def sampled(self, uuid: str, sample: Sample) -> None:
        """Drop the sample; see :meth:`nova_xloud.compute.meter.Meter.sampled`."""

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        """Do not count the run; see :meth:`nova_xloud.compute.meter.Meter.ended`."""

    def drifted(self, uuid: str, why: str) -> None:
        """Do not count the drift; see :meth:`nova_xloud.compute.meter.Meter.drifted`."""

    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        """Do not count the pass; see :meth:`nova_xloud.compute.meter.Meter.pass_finished`."""


def ending(error: Exception) -> tuple[Phase, str]:
    """Return the phase and the stable reason code of a run that ended with ``error``."""
    match error:
        case GuestRefused(code=code):
            return Phase.GUEST_REFUSED, code
        case Refused():
            return Phase.FAILED, error.reason_code
    return Phase.FAILED, "xloud.failed"
