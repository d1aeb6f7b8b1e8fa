# SPDX-License-Identifier: Apache-2.0
"""A guest whose balloon driver has worked, and does nothing for a while."""

from __future__ import annotations

from nova_xloud.testing import Behaviour, Timing
from tests.unit.compute.rig import NOW, Rig


def idle_driver(seconds: float = 5) -> Rig:
    """A rig whose balloon driver has worked, and does nothing for ``seconds`` from now on."""
    timing = Timing(intermittent_seconds=seconds, balloon_rate=1e9)
    rig = Rig(behaviour=Behaviour.INTERMITTENT, timing=timing, agent=True)
    assert rig.size == NOW
    rig.clock.advance(seconds + 0.5)
    return rig
