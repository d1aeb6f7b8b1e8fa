# SPDX-License-Identifier: Apache-2.0
"""How a run ends, and why it does not begin or go on because of another operation."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.compute.admit import check_followed
from nova_xloud.compute.observe import Observation, observe
from nova_xloud.compute.ports import Instance, RecordView
from nova_xloud.errors import InvalidState, NotFound


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended that ended without an error.

    :ivar converged: the guest has the desired size or is off, and just what it needs is reserved
    :ivar deferred: why the run ended before that, as text for people; None if it converged
    """

    converged: bool
    deferred: str | None = None


@dataclass(frozen=True, slots=True)
class Yield:
    """Says that a run must end, because another operation has changed the instance or is going on.

    :ivar reason: what is known of that operation, as text for people
    """

    reason: str

    @property
    def outcome(self) -> Outcome:
        """The outcome of the run that must end: deferred, with the reason."""
        return Outcome(False, f"another operation goes first ({self.reason})")


def observe_or_yield(
    instance: Instance, last_view: RecordView | None = None
) -> Observation | Yield:
    """Read the instance, or return a :class:`Yield` if another operation on it goes first.

    A :class:`Yield` is also returned if the instance was deleted or has left this host.

    :param last_view: the record as it was read last; see :func:`observe`
    :raises DomainError: the guest could not be read
    :raises PlacementUnavailable: Placement could not be asked
    """
    try:
        return observe(instance, check_followed, last_view)
    except (NotFound, InvalidState) as busy:
        return Yield(busy.message)
