# SPDX-License-Identifier: Apache-2.0
"""Read all that is known of an instance at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.compute.ports import Domain, Instance, RecordView, Reservation
from nova_xloud.core.plan import InstanceState
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


def observe(instance: Instance, view: RecordView) -> Observation:
    """Read claim and guest, and put them beside ``view``.

    :raises PlacementUnavailable:
    :raises DomainError: other than that there is no such domain
    """
    reservation = instance.claims.read()
    try:
        domain = instance.domain()
        guest = domain.read()
    except DomainNotFound:
        domain, guest = None, None
    state = InstanceState(view.desired, reservation.size, guest, view.recorded)
    return Observation(view, reservation, domain, state)
