# SPDX-License-Identifier: Apache-2.0
"""The port for metrics of this host, and the one where none are served."""

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
    """One instance in a pass: its sample, and what does not change from sample to sample.

    :ivar sample: None: a run was on its way, which reports its own
    :ivar maximum: the flavor's size
    """

    sample: Sample | None
    maximum: Size
    project_id: str = ""


class Meter(Protocol):
    """Hears what happens on this host. Never raises, and keeps nobody waiting.

    Times are seconds that only grow: ``time.monotonic()``.
    """

    def refused(self, code: str) -> None:
        """An adjustment was refused here.

        :param code: ``xloud.<something>``
        """

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        """An adjustment was admitted: what it needs is claimed, and written down.

        :param began: when it came to this host
        """

    def sampled(self, uuid: str, sample: Sample) -> None:
        """A run has read the instance: these are its sizes and conditions."""

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        """A run has ended so.

        :param asked: it was an adjustment's, which has not had its answer before
        """

    def drifted(self, uuid: str, why: str) -> None:
        """A pass has found that an instance is not as it should be, and has it converge.

        :param why: a :class:`nova_xloud.core.convergence.drift.Drift`'s code
        """

    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        """A pass over the host took so long, and these are all its instances, by UUID."""


class NoMeter:
    """A meter where no metrics are served: it counts nothing."""

    def refused(self, code: str) -> None:
        pass

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        pass

    def sampled(self, uuid: str, sample: Sample) -> None:
        pass

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        pass

    def drifted(self, uuid: str, why: str) -> None:
        pass

    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        pass


def ending(error: Exception) -> tuple[Phase, str]:
    """How a run ended that raised this: its phase and stable code."""
    match error:
        case GuestRefused(code=code):
            return Phase.GUEST_REFUSED, code
        case Refused():
            return Phase.FAILED, error.reason_code
    return Phase.FAILED, "xloud.failed"
