# SPDX-License-Identifier: Apache-2.0
"""Plans of adjustments within a flavor's bounds."""

from __future__ import annotations

from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, bounds_of
from tests.unit.core.states import MAXIMUM, guest, state

SPECS = {"minimum_cpu": "2", "minimum_memory": "1024"}
BOUNDS = bounds_of(FlavorFacts(MAXIMUM, SPECS))
RUNNING = state(Size(4, 2048), reading=guest(4, 2048))


def planned(request: AdjustRequest, before: InstanceState = RUNNING) -> Plan:
    answer = decide(request, before, BOUNDS)
    assert isinstance(answer, Plan)
    return answer
