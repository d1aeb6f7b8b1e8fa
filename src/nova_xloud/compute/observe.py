# SPDX-License-Identifier: Apache-2.0
"""Read all that is known of an instance at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nova_xloud.compute.ports import Domain, Instance, RecordView, Reservation
from nova_xloud.core.state import InstanceState
from nova_xloud.errors import DomainNotFound


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
    """Read claim, record and guest.

    The claim first: another operation sets task_state before it changes the claim. So where the
    record says that there is none, a change of the claim after this reading is a conflict.

    :param check: may refuse the record before the guest is read
    :raises NotFound: it was deleted
    :raises PlacementUnavailable:
    :raises DomainError: other than that there is no such domain
    """
    reservation = instance.claims.read()
    view = instance.record.refresh()
    check(view)
    try:
        domain = instance.domain()
        guest = domain.read()
    except DomainNotFound:
        domain, guest = None, None
    booting = guest is not None and guest.running and instance.booting(guest)
    state = InstanceState(view.desired, reservation.size, guest, view.recorded, booting)
    return Observation(view, reservation, domain, state)
