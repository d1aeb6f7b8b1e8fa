# SPDX-License-Identifier: Apache-2.0
"""What a dry run foretells is what is done then, effect by effect, to a guest that cooperates."""

from __future__ import annotations

from typing import Any

import pytest

from nova_xloud.compute.admit import decide_now
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.dry_run import forecast
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.testing import Timing
from tests.unit.compute.rig import NOW, Rig

# It uses a CPU in the moment it is added; else its agent is asked to bring it online.
AT_ONCE = Timing(online_seconds=0)


def foretold(rig: Rig, request: AdjustRequest) -> list[tuple[str, Any]]:
    """The forecast as effects on the ports; nothing is changed for it."""
    before = rig.record.desired, rig.claims.size, rig.size
    with rig.lock(2.0):
        seen, plan = decide_now(rig.instance, request, HostFacts(), rig.date())
        told = forecast(seen.state, plan, rig.options.limits)
    assert (rig.record.desired, rig.claims.size, rig.size) == before
    assert rig.effects == []
    return [_effect_of(step) for step in told]


def _effect_of(step: steps.Step) -> tuple[str, Any]:
    match step:
        case steps.Claim(size) | steps.Release(size):
            return "claim", size
        case steps.SetDefinition(size):
            return "set_definition", size
        case steps.SetMemory(mib):
            return "set_memory", mib
        case steps.SetVcpus(count):
            return "set_vcpus", count
        case steps.SetOnline(count):
            return "set_vcpus_online", count
        case steps.MarkRemoval(count):
            return "removal", count
    raise AssertionError(f"{step} has no effect")


def came_true(rig: Rig) -> list[tuple[str, Any]]:
    """The effects that there were; of what was written, only that a removal begins."""
    found: list[tuple[str, Any]] = []
    pending = None
    for name, what in rig.done:
        if name == "set_statistics_period":
            # Of that people need not be told.
            continue
        if name != "record":
            found.append((name, what))
            continue
        if what.removal_pending not in (None, pending):
            found.append(("removal", what.removal_pending))
        pending = what.removal_pending
    return found


@pytest.mark.parametrize(
    "request_",
    [
        AdjustRequest(6, 3072),
        AdjustRequest(2, 1024),
        AdjustRequest(6, 1024),
        AdjustRequest(2, 3072),
        AdjustRequest(8, 4096),
        AdjustRequest(None, 1024),
        AdjustRequest(2, None),
        AdjustRequest(6, 1024, persist=False),
        AdjustRequest(2, 1024, persist=False),
        AdjustRequest(2, 1024, force=True),
        AdjustRequest(4, 2048, force=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("agent", [False, True], ids=["no agent", "agent"])
@pytest.mark.parametrize("step_mb", [1024, 300])
def test_what_is_foretold_is_done(request_: AdjustRequest, agent: bool, step_mb: int) -> None:
    options = EngineOptions(limits=Limits(step_mb=step_mb))
    rig = Rig(agent=agent, timing=AT_ONCE, options=options)
    told = foretold(rig, request_)
    rig.admit(request_.vcpus, request_.memory_mb, persist=request_.persist, force=request_.force)
    assert rig.converge().converged
    assert told == came_true(rig)


@pytest.mark.parametrize("size", [Size(6, 3072), Size(2, 1024), Size(6, 1024)], ids=str)
def test_it_is_of_a_stopped_instance_too(size: Size) -> None:
    rig = Rig(running=False)
    told = foretold(rig, AdjustRequest(size.vcpus, size.memory_mb))
    rig.adjust(size.vcpus, size.memory_mb)
    assert told == came_true(rig)


def test_it_is_of_one_that_is_on_its_way_too() -> None:
    rig = Rig(timing=AT_ONCE)
    rig.admit(8, 4096)
    rig.effects.clear()
    rig.done.clear()
    told = foretold(rig, AdjustRequest(2, 1024))
    rig.adjust(2, 1024)
    assert told == came_true(rig)


def test_cpus_that_were_left_offline_are_brought_online_as_foretold() -> None:
    rig = Rig(agent=True, timing=AT_ONCE)
    rig.guest.set_online(NOW.vcpus - 1)
    told = foretold(rig, AdjustRequest(6, 3072))
    rig.adjust(6, 3072)
    assert told == came_true(rig)
