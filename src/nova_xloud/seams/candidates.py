# SPDX-License-Identifier: Apache-2.0
"""The scheduler: a host that can never hold a flavor's maximum is no candidate for it.

Stock Nova claims the whole flavor, so Placement offers no such host. Ours claims what the instance
is going to hold, which is less, and so the rest is looked at here: of every request that the
scheduler gets, so of a boot, each kind of move, and an unshelve, forced to a host or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU, never_fits
from nova_xloud.seams.request_spec import facts_below_maximum


class _AllTooSmall(Exception):
    """Placement's candidates are all too small, and there may be more than it was asked for."""

    def __init__(self, spec: Any) -> None:
        super().__init__()
        self.spec = spec


def host_states(
    original: Callable[..., Any], manager: Any, context: Any, spec: Any, summaries: Any
) -> Any:
    """Nova's picture of the candidates, without those that are too small.

    :param spec: ``RequestSpec``
    :param summaries: Placement's, by provider; None: Nova schedules without Placement
    """
    states = original(manager, context, spec, summaries)
    facts = facts_below_maximum(spec) if summaries else None
    if facts is None:
        return states
    candidates = list(states)
    fitting = [state for state in candidates if not never_fits(facts, _most(state, summaries))]
    if candidates and not fitting and not spec.xloud_unlimited:
        raise _AllTooSmall(spec)
    return iter(fitting)


def select_destinations(
    original: Callable[..., Any], manager: Any, *args: Any, **kwargs: Any
) -> Any:
    """Nova's; where all candidates were too small, once more with all that there are.

    Placement answers with so many of them as [scheduler] max_placement_results allows, chosen by
    chance. In a large cloud the few large hosts may not be among them.
    """
    try:
        return original(manager, *args, **kwargs)
    except _AllTooSmall as too_small:
        spec = too_small.spec
    spec.xloud_unlimited = True
    try:
        return original(manager, *args, **kwargs)
    finally:
        spec.xloud_unlimited = False


def _most(state: Any, summaries: Mapping[str, Any]) -> dict[str, int]:
    """The most that one instance could have of a host.

    A summary has each class's capacity: total less host reserve, times the allocation ratio. What
    one consumer may have at most is not in it: for the libvirt driver that is the total, and of
    VCPU and memory Nova's own record of the host has that. PCPU has no allocation ratio.

    :param state: ``nova.scheduler.host_manager.HostState``
    """
    resources = summaries.get(state.uuid, {}).get("resources", {})
    most = {name: int(amounts["capacity"]) for name, amounts in resources.items()}
    for name, total in ((VCPU, state.vcpus_total), (MEMORY_MB, state.total_usable_ram_mb)):
        if name in most:
            most[name] = min(most[name], total)
    return most
