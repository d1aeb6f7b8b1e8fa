# SPDX-License-Identifier: Apache-2.0
"""Drop scheduler candidates that can never hold the maximum of an instance's flavor.

Stock Nova claims the whole flavor, so Placement offers no such host. nova-xloud claims what the
instance will hold, which may be less, so the maximum is checked here. This is done whenever the
scheduler asks Placement for candidates: at boot, at moves and at unshelve. A live migration or an
evacuation that is forced to a host bypasses the scheduler; :mod:`.forced` checks its host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU, never_fits
from nova_xloud.seams.request_spec import facts_below_maximum


class _AllTooSmall(Exception):
    """All candidates were too small, and Placement may have others that it did not return.

    :ivar spec: the ``RequestSpec`` of the request
    """

    def __init__(self, spec: Any) -> None:
        super().__init__()
        self.spec = spec


def host_states(
    original: Callable[..., Any], manager: Any, context: Any, spec: Any, summaries: Any
) -> Any:
    """Return Nova's host states of the candidates, without the hosts that are too small.

    A host is too small if it can never hold the flavor's maximum. No host is dropped for an
    instance that will hold its maximum.

    :param spec: ``RequestSpec``
    :param summaries: Placement's provider summaries by UUID. None if Nova does not ask Placement,
        as for a rebuild; then no host is dropped
    :returns: an iterable of ``nova.scheduler.host_manager.HostState``
    :raises _AllTooSmall: there were candidates, all were too small, and Placement was asked for a
        limited number of them
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
    """Select hosts as Nova does; if all candidates were too small, once more without a limit.

    At first Placement returns at most ``[scheduler] max_placement_results`` candidates, in an order
    that does not depend on their size. In a large cloud the few large hosts may not be among them.
    The second time Placement is asked for all candidates.
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
    """Return the largest amount of each resource class that one instance could have on a host.

    A summary has the capacity of each class: the total less the host reserve, times the allocation
    ratio. It does not have ``max_unit``, the most that one consumer may have. The libvirt driver
    sets ``max_unit`` to the total, and ``state`` has the totals of VCPU and memory. PCPU needs no
    such limit, because its allocation ratio is 1.

    :param state: ``nova.scheduler.host_manager.HostState``
    :param summaries: Placement's provider summaries by UUID
    :returns: amounts by resource class; for other classes than CPU and memory, the capacity. A
        class of which the host has no inventory is missing
    """
    resources = summaries.get(state.uuid, {}).get("resources", {})
    most = {name: int(amounts["capacity"]) for name, amounts in resources.items()}
    for name, total in ((VCPU, state.vcpus_total), (MEMORY_MB, state.total_usable_ram_mb)):
        if name in most:
            most[name] = min(most[name], total)
    return most
