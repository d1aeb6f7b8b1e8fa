# SPDX-License-Identifier: Apache-2.0
"""Who acts on the host from outside: callers of the API, users, tenants, guests' moods."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from nova_xloud.compute.deadline import Deadline
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import DomainError, GuestRefused, Refused
from nova_xloud.libvirt.guest_xml import KIB
from nova_xloud.testing import Behaviour
from nova_xloud.testing.behaviour import Power
from tests.simulator.checks import Asking
from tests.simulator.operations import Work
from tests.simulator.ports import MessagingTimeout
from tests.simulator.scenario import (
    LENGTH,
    REMOVES_NOTHING,
    RPC_TIMEOUT,
    Growth,
    Mood,
    Narrowing,
    Operation,
    Request,
    Tenant,
)
from tests.simulator.server import Server

if TYPE_CHECKING:
    from tests.simulator.history import World

# As in nova_xloud.rpc.client.
ANSWER_WITHIN = RPC_TIMEOUT * 0.8
# What programs leave of what the balloon leaves them.
LEFT_MB = 64


def begin(world: World) -> None:
    """Everybody is on his way."""
    for number, request in enumerate(world.scenario.requests):
        ask = functools.partial(_ask, world, f"request {number}", request)
        world.spawn("caller", ask, after=request.at)
    for operation in world.scenario.operations:
        world.spawn("user", functools.partial(_operate, world, operation), after=operation.at)
    for number, tenant in enumerate(world.scenario.tenants):
        come = functools.partial(_come_and_go, world, f"tenant {number}", tenant)
        world.spawn("tenant", come, after=tenant.at)
    for server in world.servers:
        for mood in server.plan.moods:
            feel = functools.partial(_feel, world, server, mood)
            world.spawn("guest", feel, after=mood.at)
        for growth in server.plan.growth:
            grow = functools.partial(_grow, world, server, growth)
            world.spawn("guest", grow, after=growth.at)
    for away, back in world.scenario.faults.away:
        world.spawn("placement", functools.partial(_placement, world, away=True), after=away)
        world.spawn("placement", functools.partial(_placement, world, away=False), after=back)
    for narrowing in world.scenario.faults.narrowings:
        narrow = functools.partial(_narrow, world, narrowing)
        world.spawn("operator", narrow, after=narrowing.at)


def cooperates(server: Server) -> None:
    """From now on the guest does what it is asked, and has done what it was asked."""
    for guest in filter(None, (server.guest, server.away)):
        guest.behaviour = Behaviour.COOPERATIVE
        if guest.power is Power.RUNNING:
            guest.settle()


def _ask(world: World, name: str, request: Request) -> None:
    server = world.servers[request.server]
    now = world.schedule.now()
    asked = f"{request.vcpus or '-'} vCPUs, {request.memory_mb or '-'} MiB"
    asked += ("" if request.persist else ", not persisted") + (", force" if request.force else "")
    world.note(f"{name}: {asked}", server)
    world.count("request")
    if request.lost == "request":
        world.count("message: request lost")
        return
    if request.late:
        world.count("message: late")
        world.schedule.sleep(request.late)
    asking = Asking(server, now, ANSWER_WITHIN)
    answer_by = None
    if world.compute.process.alive:
        answer_by = Deadline(world.compute.host.clock.id, now + ANSWER_WITHIN)
    handle = functools.partial(_handle, world, asking, request, answer_by)
    world.compute.deliver(name, handle, now + RPC_TIMEOUT)
    if request.again_after is not None:
        world.schedule.sleep(request.again_after)
        world.count("message: delivered twice")
        world.compute.deliver(f"{name} again", handle, now + RPC_TIMEOUT)


def _handle(world: World, asking: Asking, request: Request, answer_by: Deadline | None) -> None:
    """In a thread of nova-compute, as ``rpc.endpoint`` does."""
    checks, compute, server = world.checks, world.compute, asking.server
    if request.queued:
        world.schedule.sleep(request.queued)
    if answer_by is None:
        # Nobody was there to be asked for the time: from when it has arrived.
        asking = replace(asking, arrived=world.schedule.now())
    checks.asks(replace(asking))
    try:
        if request.waits and request.vcpus is not None:
            compute.host.hotplug_vcpus(None, server, request.vcpus, ANSWER_WITHIN, answer_by)
        else:
            wanted = AdjustRequest(request.vcpus, request.memory_mb, request.persist, request.force)
            compute.host.adjust(None, server, wanted, ANSWER_WITHIN, answer_by)
    except Refused as refusal:
        is_held = "another operation has held" in refusal.message
        world.count(f"refused: {'held by an operation' if is_held else refusal.reason_code}")
        world.note(f"refused: {refusal}", server)
        checks.refused()
        return
    except (GuestRefused, DomainError, MessagingTimeout) as error:
        world.count(f"failed: {type(error).__name__}")
        world.note(f"failed: {error}", server)
    else:
        world.count("admitted")
        world.note("admitted", server)
    checks.admitted()
    if request.lost == "answer":
        world.count("message: answer lost")


def _operate(world: World, operation: Operation) -> None:
    Work(world, world.servers[operation.server], operation).begin()


def _come_and_go(world: World, name: str, tenant: Tenant) -> None:
    provider = world.provider
    if not provider.has_room_for(tenant.size):
        world.note(f"{name} finds no room for {tenant.size}")
        return
    provider.others[name] = tenant.size
    world.count("tenant comes")
    world.note(f"{name} takes {tenant.size}")
    world.checks.everything()
    world.schedule.sleep(tenant.stays)
    del provider.others[name]
    world.note(f"{name} goes")


def _feel(world: World, server: Server, mood: Mood) -> None:
    if world.schedule.now() >= LENGTH and mood.behaviour is not server.guest.behaviour:
        return
    guest = server.guest
    world.checks.everything()
    if guest.unsettled and mood.behaviour not in REMOVES_NOTHING:
        # A hypervisor that has lost a vCPU does not recover half.
        if not mood.settles:
            return
        cooperates(server)
    guest.behaviour = mood.behaviour
    world.count(f"guest: {mood.behaviour.value}")
    world.note(f"the guest is {mood.behaviour.value}", server)


def _grow(world: World, server: Server, growth: Growth) -> None:
    """Its programs need more and more, within what its balloon has left them."""
    until = min(world.schedule.now() + growth.seconds, LENGTH)
    while world.schedule.now() < until:
        wants = server.guest.uses_kib // KIB + growth.mb_per_second
        has = min(server.held.memory_mb, server.reserved.memory_mb)
        if server.guest.active and wants + LEFT_MB <= has:
            server.guest.uses_kib = wants * KIB
        world.schedule.sleep(1.0)
    world.note(f"its programs need {server.guest.uses_kib // KIB} MiB", server)


def _placement(world: World, *, away: bool) -> None:
    world.provider.unreachable = away and world.schedule.now() < LENGTH
    for server in world.servers:
        server.quiet_since = world.schedule.now()
    world.note("Placement is away" if away else "Placement is back")


def _narrow(world: World, narrowing: Narrowing) -> None:
    """An operator changes the host's inventory, and perhaps changes it back."""
    provider = world.provider
    provider.narrow(narrowing.how)
    world.count(f"inventory: {narrowing.how}")
    world.note(f"the inventory changes: {narrowing.how}, {provider.used} of {provider.capacity}")
    world.schedule.sleep(narrowing.until - narrowing.at)
    provider.as_before()
    world.note("the inventory is as before")
