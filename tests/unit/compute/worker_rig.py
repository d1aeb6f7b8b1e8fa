# SPDX-License-Identifier: Apache-2.0
"""Outcomes that the tests of the worker share."""

from __future__ import annotations

from nova_xloud.clock import Clock
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Pause, Waits
from nova_xloud.compute.worker import Converging
from nova_xloud.conf import EngineOptions

DONE = Outcome(True)


def waiting(seconds: float, *, may_wait: bool = False) -> Converging:
    """A run that pauses once, and ends when it goes on."""

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        woken = yield Pause(seconds, may_wait=may_wait)
        return Outcome(True, "woken" if woken else None)

    return run
