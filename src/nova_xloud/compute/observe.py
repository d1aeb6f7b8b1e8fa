# SPDX-License-Identifier: Apache-2.0
"""Read the guest, the claim and the record of an instance, so that a decision can rest on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nova_xloud.compute.ports import Domain, Instance, RecordView, Reservation
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import DRIVEN_STATES, InstanceState, lacks_guest
from nova_xloud.core.sizing.bounds import bounds_of
from nova_xloud.errors import DomainNotFound, DomainNotRunning, InvalidState

# How often observe() reads an instance at most, not counting the reading by ``last_view``: again
# only if an operation came into a reading.
READINGS = 3


@dataclass(slots=True)
class Observation:
    """One reading of the record, the claim and the guest of an instance.

    Once the guest was called, the claim that was read before must not be written any more. A call
    to the guest may take seconds, and a whole live migration fits into them. After a migration
    Placement counts the consumer's generations from the beginning again. So the write could
    overwrite the claim on the migration's target host, and Placement would report no conflict.

    :ivar view: the record as it was read
    :ivar state: record, claim and guest, in the form by which :mod:`nova_xloud.core` decides
    """

    view: RecordView
    state: InstanceState
    _reservation: Reservation
    _domain: Domain | None
    _guest_called: bool = field(default=False, init=False)

    @property
    def reservation(self) -> Reservation:
        """The claim as it was read, for a write; its size alone is in ``state.reserved``.

        :raises ReservationSpent: :meth:`guest` was called before
        """
        if self._guest_called:
            raise ReservationSpent("the guest was called after its claim was read; observe again")
        return self._reservation

    def guest(self) -> Domain:
        """Return the domain for calls to libvirt; afterwards :attr:`reservation` raises.

        :raises DomainNotRunning: libvirt had no domain for the instance when it was read
        """
        self._guest_called = True
        if self._domain is None:
            raise DomainNotRunning("libvirt has no domain for the instance")
        return self._domain


class ReservationSpent(Exception):
    """A bug in the caller: it asked for the claim, to write it, after a call to the guest."""


def _may_ask_agent(view: RecordView) -> bool:
    """Return whether the guest's agent may be asked.

    It may if the instance was adjusted, or if its boot size is below its flavor's size.
    """
    return bool(view.desired.generation) or bounds_of(view.facts).elastic


def observe(
    instance: Instance,
    check: Callable[[RecordView], None] = lambda view: None,
    last_view: RecordView | None = None,
) -> Observation:
    """Read the guest, then the claim, then the record of an instance.

    The claim is read before the record, because another operation sets task_state before it changes
    the claim. So if the record shows no task_state, the claim was read before any such change, and
    a write of it after the change meets a conflict, unless a whole move has come between.

    The guest is read before the claim, because it may take seconds to answer. Placement forgets the
    generation of a consumer whose allocation is moved away, and counts from the beginning again for
    the next allocation. A whole move could fit into those seconds. A write of a claim that was read
    before them might not conflict, and might take away what was claimed on the target host.

    The record is also read before the guest, unless ``last_view`` is given. If it was written since
    then, as it is when an operation begins or ends, everything is read again.

    :param check: called with each record that is read; raises if that does not allow to go on
    :param last_view: the record as the caller read it last. It saves one reading of the record if
        the record was not written since
    :raises NotFound: the instance was deleted or has left this host, or ``check`` raises it
    :raises PlacementUnavailable: Placement could not be asked
    :raises DomainError: libvirt failed a call for another reason than that there is no such domain
    :raises InvalidState: the record was written during each of :data:`READINGS` readings in a row,
        or ``check`` raises it
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
    raise InvalidState("the instance is being changed by other operations; try again")


def _observe_once(
    instance: Instance, check: Callable[[RecordView], None], before: RecordView
) -> Observation | None:
    """Read the instance once; return None if its record was written since ``before`` was read.

    It raises what :func:`observe` raises for one reading, and what ``check`` raises.
    """
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
    """Open and read the libvirt domain; return it, its reading, and whether the guest is booting.

    The guest's agent is asked only if the instance is elastic.

    :returns: None, None, False if libvirt has no such domain
    :raises DomainError: libvirt failed a call for another reason
    """
    try:
        domain = instance.domain()
        # The agent of a server that is not elastic is left alone: its owner could notice a call, by
        # the agent's time-out, its lock, or what it logs.
        guest = instance.watched(domain.read(agent=_may_ask_agent(view)))
    except DomainNotFound:
        return None, None, False
    return domain, guest, guest.running and instance.booting(guest)
