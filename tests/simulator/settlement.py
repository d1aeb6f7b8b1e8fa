# SPDX-License-Identifier: Apache-2.0
"""Whether a server has what it should have, once nothing has happened for long.

If it has not, its recorded state has to say why, and runs must have tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nova_xloud.core.convergence.balloon import OFTEN
from nova_xloud.core.instance.conditions import RESERVED_TOO_LITTLE
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.size import Size
from nova_xloud.errors import ClaimRefused, NoCapacity
from nova_xloud.libvirt.guest_xml import KIB
from nova_xloud.testing import Behaviour
from nova_xloud.testing.behaviour import Power
from tests.simulator.server import Server

if TYPE_CHECKING:
    from tests.simulator.history import World


def alarm_stands(server: Server) -> bool:
    """Whether a condition says that the server holds more than is reserved."""
    return any(one.type == RESERVED_TOO_LITTLE for one in server.record.desired.recorded_conditions)


def unsettled(world: World, server: Server) -> Iterator[str]:
    """What of ``server`` is not as it should be when nothing has happened for long, in words."""
    desired, held, reserved = server.record.desired, server.held, server.reserved
    if not desired.generation and held != desired.target and reserved.covers(held):
        # Nobody has asked for anything else than it started with: it is left alone.
        return
    needed = desired.claim.at_least(server.taken_for)
    # The balloon of a paused guest may be on its way.
    exact = server.guest.power is not Power.PAUSED or not reserved.covers(needed)
    is_refused = _is_refused(world, server, needed)
    if exact and needed != reserved and not is_refused:
        yield f"{server.name} needs {needed}, and {reserved} are reserved"
    if server.record.recorded != reserved:
        yield f"{server.name}: {server.record.recorded} recorded, {reserved} reserved"
    if server.guest.power is Power.PAUSED:
        # It follows what its balloon was set to only when it resumes.
        return
    if (
        server.guest.active
        and server.guest.asked_every == OFTEN < server.guest.timing.stats_seconds
    ):
        yield f"the statistics of {server.name} are asked for every second for ever"
    progress = desired.progress
    offline = progress.code == "xloud.guest_refused.vcpus_not_online"
    reached = not server.guest.active or (held == desired.target and not offline)
    if is_refused and reached != (progress.phase is Phase.CONVERGED):
        return
    if _is_unconfirmed(server) and held.vcpus == desired.target.vcpus:
        # It is where it should be by QEMU's number, and a condition says that nobody confirms
        # that (xloud.balloon.not_confirmed); what it may hold is reserved, as was seen above.
        return
    if reached != (progress.phase is Phase.CONVERGED):
        yield (
            f"{server.name} holds {held}, should hold {desired.target}, and is said to be "
            f"{progress.phase.value}"
        )
    if not reached and not _is_excused(server):
        yield (
            f"{server.name} holds {held} and could hold {desired.target}: "
            f"{progress.code} {progress.message}"
        )


def _is_refused(world: World, server: Server, needed: Size) -> bool:
    """Whether Placement does not take what is to be reserved, and the record says so."""
    if not world.provider.narrowed:
        return _no_room(world, server, needed)
    if server.reserved.covers(needed):
        # Too much stays reserved, which is safe: the record may say anything else.
        return True
    codes = (NoCapacity.code, ClaimRefused.code)
    return server.record.desired.progress.code in codes or alarm_stands(server)


def _no_room(world: World, server: Server, needed: Size) -> bool:
    """Whether the host has no room for what is needed, and the record says so."""
    more = _missing(needed, server.reserved)
    told = server.record.desired.progress.code == NoCapacity.code or alarm_stands(server)
    return told and not world.provider.has_room_for(more)


def _is_unconfirmed(server: Server) -> bool:
    """Whether its balloon driver has not reported since its start, and a condition says so."""
    recorded_conditions = {one.reason for one in server.record.desired.recorded_conditions}
    return not server.guest.has_reported() and "xloud.balloon.not_confirmed" in recorded_conditions


def _is_excused(server: Server) -> bool:
    """Whether it is not for want of trying that it has not what is desired."""
    guest, desired = server.guest, server.record.desired
    pending = desired.removal_pending
    return (
        guest.behaviour is not Behaviour.COOPERATIVE
        or (pending is not None and server.held.vcpus > pending)
        or guest.memory.dead
        or guest.uses_kib > (desired.target.memory_mb - 200) * KIB
    )


def _missing(needed: Size, reserved: Size) -> Size:
    return Size(
        max(0, needed.vcpus - reserved.vcpus), max(0, needed.memory_mb - reserved.memory_mb)
    )
