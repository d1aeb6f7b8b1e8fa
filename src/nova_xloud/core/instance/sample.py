# SPDX-License-Identifier: Apache-2.0
"""The sizes and conditions of one instance at one moment, for metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nova_xloud.core.instance.conditions import (
    BOOTING,
    CONVERGED,
    GUEST_REFUSED,
    RESERVED_TOO_LITTLE,
    judge,
)
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import GAVE_UP, Phase
from nova_xloud.core.instance.state import NOTHING, SEEN_OFF, InstanceState, must_be_claimed
from nova_xloud.core.size import Observed, Size


@dataclass(frozen=True, slots=True)
class Sample:
    """The four sizes of one instance at one moment, and which conditions are true.

    :ivar generation: the generation of the record
    :ivar desired: the size that a running guest is driven to
    :ivar reserved: the size that Placement has allocated to the instance
    :ivar actuated: the size that QEMU has; Size(0, 0) while the guest is off; None if not read
    :ivar observed: the size that the guest was seen to have; Observed(0, 0) while the guest is off.
        A resource is None if it is not known, or was not read
    :ivar conditions: the types of the conditions that are true, without ``GrowthDeferred``. Some of
        them a pass cannot judge: it takes them from the record, or leaves them out if the guest is
        off
    """

    generation: int
    desired: Size
    reserved: Size
    actuated: Size | None
    observed: Observed
    conditions: frozenset[str]


def of_run(state: InstanceState, now: str) -> Sample:
    """Return the sample of the state that a run has read.

    :param now: the present time, ISO 8601, UTC
    """
    numbers = state.numbers
    found = judge(state, state.desired.progress, now)
    return Sample(
        generation=state.desired.generation,
        desired=numbers.desired,
        reserved=numbers.reserved,
        actuated=numbers.actuated,
        observed=numbers.observed,
        conditions=frozenset(one.type for one in found if one.status),
    )


def of_pass(
    desired: Desired,
    reserved: Size,
    stats: DomainStats | None,
    *,
    booting: bool,
    is_off: bool,
    lacks_guest: bool = False,
) -> Sample:
    """Return the sample of what a pass has read; a pass never calls a guest's agent.

    :param desired: the instance's record
    :param reserved: the size that Placement has allocated to the instance
    :param stats: the statistics of the domain. None if libvirt has no such domain, or has no
        statistics of it because it is busy
    :param booting: whether the guest started so lately that its balloon may still be inflating
    :param is_off: whether the instance's vm_state is ``stopped``. Then the guest counts as off if
        there are no ``stats``
    :param lacks_guest: whether there should or may be a guest in the instance's vm_state. Then the
        instance is not ``Converged`` if its guest is off
    """
    actuated = _actuated(stats, is_off=is_off)
    held = stats.held if stats is not None and stats.running else actuated
    pinned_mb = 0 if stats is None or not stats.running else stats.pinned_mb
    conditions = frozenset(
        _conditions(desired, reserved, actuated, held, pinned_mb=pinned_mb, booting=booting)
    )
    if lacks_guest and actuated == NOTHING:
        conditions -= {CONVERGED}
    observed = _observed(actuated, stats)
    return Sample(desired.generation, desired.target, reserved, actuated, observed, conditions)


def _observed(actuated: Size | None, stats: DomainStats | None) -> Observed:
    """Return what a pass has observed: 0 and 0 while the guest is off, else its memory alone.

    The vCPUs of a running guest are None, because a pass calls no guest agent. The memory is None
    if it was not read, or if it is neither pinned nor confirmed by the balloon driver.
    """
    if actuated == NOTHING:
        return SEEN_OFF
    confirmed = stats is not None and (stats.pinned_mb or stats.memory_confirmed)
    return Observed(None, actuated.memory_mb if actuated is not None and confirmed else None)


def _actuated(stats: DomainStats | None, *, is_off: bool) -> Size | None:
    if stats is None:
        return NOTHING if is_off else None
    return stats.actuated if stats.running else NOTHING


def _conditions(
    desired: Desired,
    reserved: Size,
    actuated: Size | None,
    held: Size | None,
    *,
    pinned_mb: int,
    booting: bool,
) -> Iterator[str]:
    phase = desired.progress.phase
    running = actuated not in (None, NOTHING)
    if phase is Phase.CONVERGED and (not running or actuated == desired.target):
        yield CONVERGED
    if phase is Phase.GUEST_REFUSED:
        yield GUEST_REFUSED
    if desired.given_up is not None:
        yield GAVE_UP
    if actuated is None or held is None:
        yield from (one.type for one in desired.recorded_conditions)
        return
    if running and booting and actuated.memory_mb > desired.target.memory_mb:
        yield BOOTING
    if not reserved.covers(must_be_claimed(held, booting=booting, pinned_mb=pinned_mb)):
        yield RESERVED_TOO_LITTLE
    if running:
        yield from (
            one.type for one in desired.recorded_conditions if one.type != RESERVED_TOO_LITTLE
        )
