# SPDX-License-Identifier: Apache-2.0
"""Read all that is known of an instance at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nova_xloud.compute.ports import Domain, Instance, RecordView, Reservation
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import DRIVEN_STATES, InstanceState, lacks_guest
from nova_xloud.core.sizing.bounds import bounds_of
from nova_xloud.errors import DomainNotFound, DomainNotRunning, InvalidState

# How often an instance is read at the most: again only where an operation came into a reading.
READINGS = 3


@dataclass(slots=True)
class Observation:
    """One reading of record, claim and guest.

    Whoever calls the guest gives the claim away: a call may take seconds, a whole live migration
    fits into them, and Placement begins to count the consumer's generations anew. A claim that was
    read before would be written over the target's, and no conflict would say so.
    """

    view: RecordView
    state: InstanceState
    _reservation: Reservation
    _domain: Domain | None
    _guest_called: bool = field(default=False, init=False)

    @property
    def reservation(self) -> Reservation:
        """The claim as it was read, to be written back. For its size alone: ``state.reserved``.

        :raises ReservationSpent: the guest has been called since it was read
        """
        if self._guest_called:
            raise ReservationSpent("the guest was called after its claim was read; observe again")
        return self._reservation

    def guest(self) -> Domain:
        """The domain, to be told something: from now on the claim can not be written.

        :raises DomainNotRunning: libvirt had none (the instance is stopped, say)
        """
        self._guest_called = True
        if self._domain is None:
            raise DomainNotRunning("the domain has gone")
        return self._domain


class ReservationSpent(Exception):
    """A mistake of the caller's: a claim was to be written that is too old for it."""


def _may_ask_agent(view: RecordView) -> bool:
    """Whether the guest's agent may be asked: not that of a guest that is not elastic."""
    return bool(view.desired.generation) or bounds_of(view.facts).elastic


def observe(
    instance: Instance,
    check: Callable[[RecordView], None] = lambda view: None,
    last_view: RecordView | None = None,
) -> Observation:
    """Read guest, claim and record.

    The claim before the record: another operation sets task_state before it changes the claim. So
    where the record says that there is none, a change of the claim after this is a conflict.

    The guest, who may take seconds to answer, before both. Placement forgets the generation of a
    consumer whose allocation is moved away, and counts from the beginning when there is one again.
    In a time as long as that a whole move could begin; a write by a claim that was read before it
    would be no conflict, and take from the server what was claimed on its target.

    All of it again where an operation has begun or ended meanwhile: the guest may be another by
    now, and the claim was read by the flavor and image of before.

    :param check: may refuse the record; one that is not ``last_view`` before the guest is read too
    :param last_view: the record as it was read last. Where it is the same once guest and claim are
        read, no operation has come since, and one reading of it was enough
    :raises NotFound: it was deleted
    :raises PlacementUnavailable:
    :raises DomainError: other than that there is no such domain
    :raises InvalidState: operations came into each of the readings
    """
    if last_view is not None:
        seen = _observe_once(instance, check, last_view)
        if seen is not None:
            return seen
    for _ in range(READINGS):
        before = instance.record.refresh()
        check(before)
        seen = _observe_once(instance, check, before)
        if seen is not None:
            return seen
    raise InvalidState("the instance is being changed; try again")


def _observe_once(
    instance: Instance, check: Callable[[RecordView], None], before: RecordView
) -> Observation | None:
    """One reading; None: an operation has come since ``before``."""
    domain, guest, booting = read_guest(instance, before)
    reservation = instance.claims.read()
    view = instance.record.refresh()
    check(view)
    if view.facts != before.facts or not _is_undisturbed(before, view):
        return None
    is_running = guest is not None and guest.running
    state = InstanceState(
        view.desired,
        reservation.size,
        guest,
        view.recorded,
        booting,
        driven=view.vm_state in DRIVEN_STATES,
        lacks_guest="" if is_running else lacks_guest(view.vm_state, view.task_state),
    )
    return Observation(view, state, reservation, domain)


def _is_undisturbed(before: RecordView, after: RecordView) -> bool:
    return before.version == after.version


def read_guest(
    instance: Instance, view: RecordView
) -> tuple[Domain | None, DomainReading | None, bool]:
    """Its domain, what it says, and whether it is booting; None, None, False: there is none.

    :raises DomainError: other than that there is no such domain
    """
    try:
        domain = instance.domain()
        # Of a server that is not elastic nothing is asked that could be felt: an agent's time-out,
        # its lock, and what it does are its owner's.
        guest = instance.watched(domain.read(agent=_may_ask_agent(view)))
    except DomainNotFound:
        return None, None, False
    return domain, guest, guest.running and instance.booting(guest)
