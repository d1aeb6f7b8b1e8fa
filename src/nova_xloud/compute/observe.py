# SPDX-License-Identifier: Apache-2.0
"""Read all that is known of an instance at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nova_xloud.compute.ports import Domain, Instance, RecordView, Reservation
from nova_xloud.core.state import InstanceState
from nova_xloud.errors import DomainNotFound, InvalidState

# Who resizes or rebuilds it does so once.
READINGS = 3


@dataclass(frozen=True, slots=True)
class Observation:
    """One reading of record, claim and guest.

    :ivar domain: None where libvirt has none (the instance is stopped, say)
    """

    view: RecordView
    reservation: Reservation
    domain: Domain | None
    state: InstanceState


def observe(
    instance: Instance, check: Callable[[RecordView], None] = lambda view: None
) -> Observation:
    """Read guest, claim and record.

    The claim before the record: another operation sets task_state before it changes the claim. So
    where the record says that there is none, a change of the claim after this is a conflict.

    The guest, who may take seconds to answer, before both. Placement forgets the generation of a
    consumer whose allocation is moved away, and counts from the beginning when there is one again.
    In a time as long as that a whole move could begin; a write by a claim that was read before it
    would be no conflict, and take from the server what was claimed on its target.

    :param check: may refuse the record; once before the guest is read
    :raises NotFound: it was deleted
    :raises PlacementUnavailable:
    :raises DomainError: other than that there is no such domain
    :raises InvalidState: its flavor or image is being changed
    """
    view = instance.record.refresh()
    check(view)
    try:
        domain = instance.domain()
        guest = domain.read()
    except DomainNotFound:
        domain, guest = None, None
    booting = guest is not None and guest.running and instance.booting(guest)
    reservation, view = _claim_and_record(instance, view, check)
    state = InstanceState(view.desired, reservation.size, guest, view.recorded, booting)
    return Observation(view, reservation, domain, state)


def _claim_and_record(
    instance: Instance, view: RecordView, check: Callable[[RecordView], None]
) -> tuple[Reservation, RecordView]:
    """The claim by the very flavor and image that the record has, which say what is in it."""
    for _ in range(READINGS):
        facts = view.facts
        reservation = instance.claims.read()
        view = instance.record.refresh()
        check(view)
        if view.facts == facts:
            return reservation, view
    raise InvalidState("the instance's flavor or image is being changed; try again")
