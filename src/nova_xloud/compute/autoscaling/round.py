# SPDX-License-Identifier: Apache-2.0
"""Decide in one round which size to request for each guest of a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from nova_xloud.compute.autoscaling.act import why_not
from nova_xloud.compute.autoscaling.state import GuestState
from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.core.autoscaling import waits
from nova_xloud.core.autoscaling.arbitration import arbitrate
from nova_xloud.core.autoscaling.contest import Claimant, Grant, HostRoom
from nova_xloud.core.autoscaling.deferral import PLACEMENT, Deferral, of_grant, of_instance
from nova_xloud.core.instance.state import must_be_claimed
from nova_xloud.core.size import Size


@dataclass(frozen=True, slots=True)
class Decision:
    """What one round has decided for one guest.

    :ivar state: the guest's new state; its ``action`` says what was decided
    :ivar size: the size to request; the desired size if nothing is to be requested
    :ivar deferral: why the guest does not get the growth that is recommended; None if it does, or
        if none is recommended
    """

    state: GuestState
    size: Size
    deferral: Deferral | None = None


def seen(one: ManagedInstance, state: GuestState, clock: float, *, booting: bool) -> GuestState:
    """Return ``state`` with ``waits`` brought up to date with what the guest holds now.

    While the guest boots, it counts as one that has the desired memory, because its balloon is
    still on its way.

    :param clock: seconds of a clock that only grows
    :param booting: whether the guest's balloon may still be inflating
    """
    held, desired = _held(state, booting=booting), one.view.desired.target
    if booting:
        # Its balloon is on its way, and the engine waits for it.
        held = replace(held, memory_mb=desired.memory_mb)
    return replace(state, waits=waits.seen(state.waits, held, desired, clock))


def claimant_of(
    one: ManagedInstance, state: GuestState, clock: float, *, booting: bool
) -> Claimant:
    """Return what a guest has and wants for arbitration, with what ``state.waits`` says of it.

    :param clock: seconds of a clock that only grows
    :param booting: whether the guest's balloon may still be inflating
    """
    claimant = state.claimant(one, _held(state, booting=booting))
    return waits.with_waits(claimant, state.waits, clock)


def _held(state: GuestState, *, booting: bool) -> Size:
    assert state.sample is not None
    return must_be_claimed(state.sample.size, booting=booting, pinned_mb=0)


def decide(one: ManagedInstance, state: GuestState, grant: Grant | None, clock: float) -> Decision:
    """Return which size to request for one guest, and why its growth is deferred, if it is.

    :param grant: what arbitration grants; None if Placement did not say what the host has left, or
        automatic growth may not change the instance
    :param clock: seconds of a clock that only grows
    """
    desired = one.view.desired.target
    if code := why_not(one.view):
        left = replace(state, action=code)
        return Decision(left, desired, of_instance(code) if state.grows else None)
    if grant is None:
        return _without_placement(state, desired)
    told = replace(
        state, action=grant.code, waits=waits.decided(state.waits, grant, desired, clock)
    )
    return Decision(told, grant.size, of_grant(grant))


def _without_placement(state: GuestState, desired: Size) -> Decision:
    if not state.grows:
        return Decision(replace(state, action="hold.placement"), desired)
    message = "Placement does not say how much the host has left"
    told = replace(state, action="deferred.placement")
    return Decision(told, desired, Deferral(PLACEMENT, message))


def grants_of(
    members: Mapping[str, ManagedInstance],
    claimants: Mapping[str, Claimant],
    room: Callable[[str], HostRoom],
) -> dict[str, Grant]:
    """Return what each claimant is granted, by UUID; each compute node is decided on its own.

    :param members: the instances, by UUID
    :param claimants: what the guests have and want, by UUID
    :param room: returns capacity and allocations of the compute node with a hypervisor hostname
    """
    found: dict[str, Grant] = {}
    for node in sorted({members[uuid].node for uuid in claimants}):
        here = [one for uuid, one in claimants.items() if members[uuid].node == node]
        found |= {grant.uuid: grant for grant in arbitrate(room(node), here)}
    return found
