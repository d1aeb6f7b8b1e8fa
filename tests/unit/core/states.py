# SPDX-License-Identifier: Apache-2.0
"""States of an instance of 8 vCPUs and 4096 MiB, for the tests of what decides."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size

MAXIMUM = Size(8, 4096)


def guest(vcpus: int = 2, memory_mb: int = 1024, **other: Any) -> DomainReading:
    """A running guest whose vCPUs above the first can be removed."""
    reading: dict[str, Any] = {
        "running": True,
        "paused": False,
        "max_vcpus": MAXIMUM.vcpus,
        "vcpus": vcpus,
        "removable_vcpus": vcpus - 1,
        "max_memory_mb": MAXIMUM.memory_mb,
        "memory_mb": memory_mb,
    }
    return DomainReading(**{**reading, **other})


def state(
    desired: Size | Desired, reserved: Size | None = None, reading: DomainReading | None = None
) -> InstanceState:
    """What is desired, reserved (else what is desired), and the guest (else none)."""
    wanted = Desired(desired) if isinstance(desired, Size) else desired
    return InstanceState(wanted, wanted.claim if reserved is None else reserved, reading)


def reports(vcpus: int, memory_mb: int, **other: Any) -> DomainReading:
    """A guest whose driver has just reported that it uses next to nothing."""
    reading = {"balloon_driver": True, "usable_mb": memory_mb - 1, "stats_at": 20, **other}
    return guest(vcpus, memory_mb, **reading)


def told_own_size(memory_mb: int, **other: Any) -> RunState:
    """The balloon has been where it is for some time, and was told to stay there."""
    return RunState(balloon_target_mb=memory_mb, settled_mb=memory_mb, settled_stats_at=10, **other)


sizes = st.builds(Size, st.integers(1, MAXIMUM.vcpus), st.integers(1, MAXIMUM.memory_mb))
progresses = st.sampled_from([Progress(phase, f"xloud.{phase.value}") for phase in Phase])
desireds = st.builds(
    Desired,
    persisted=sizes,
    live=st.none() | sizes,
    removal_pending=st.none() | st.integers(1, 8),
    force=st.booleans(),
    progress=progresses,
)


@st.composite
def guests(draw: st.DrawFn) -> DomainReading:
    size = draw(sizes)
    running = draw(st.booleans())
    reports = running and draw(st.booleans())
    return guest(
        size.vcpus,
        size.memory_mb,
        running=running,
        paused=running and draw(st.booleans()),
        removable_vcpus=draw(st.integers(0, size.vcpus - 1)),
        vcpus_online=draw(st.none() | st.integers(1, size.vcpus)),
        balloon_driver=reports or draw(st.sampled_from([None, False])),
        usable_mb=draw(st.integers(0, size.memory_mb)) if reports else None,
        stats_at=draw(st.integers(1, 9)) if reports else None,
        boot_id=draw(st.integers(1, 3)) if running else None,
        memory_confirmed=reports or not running or draw(st.sampled_from([True, False, None])),
    )


states = st.builds(
    InstanceState,
    desired=desireds,
    reserved=st.builds(Size, st.integers(0, 8), st.integers(0, 4096)),
    guest=st.none() | guests(),
    recorded=st.none() | sizes,
)
