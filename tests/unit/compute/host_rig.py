# SPDX-License-Identifier: Apache-2.0
"""A compute host over the rig's ports, whose runs can be waited for."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from lab.patience import LIMIT
from nova_xloud.clock import Clock
from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.converge import converge
from nova_xloud.compute.host import Host
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.rig import Rig, at_once


def _in_the_rigs_time(
    rig: Rig, instance: Instance, options: EngineOptions, clock: Clock
) -> Outcome:
    its = Clock(rig.clock.now, closing=clock.closing, date=rig.date)
    return rig.carry_out(converge(instance, options, its))


class Watched(Worker):
    """The real worker, in the test's time.

    :ivar submitted: the action of each submission
    :ivar shrinking: whether each submission was said to give the guest nothing more
    :ivar hold: the runs begin when it is set
    """

    def __init__(self, rig: Rig) -> None:
        def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
            assert self.hold.wait(LIMIT)
            return _in_the_rigs_time(rig, instance, options, clock)

        super().__init__(rig.options, at_once(run))
        self.hold = threading.Event()
        self.hold.set()
        self.submitted: list[str | None] = []
        self.shrinking: list[bool] = []
        self.futures: list[Future[Outcome]] = []

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> Future[Outcome]:
        future = super().submit(instance, action, urgency, shrinks=shrinks)
        self.submitted.append(action)
        self.shrinking.append(shrinks)
        self.futures.append(future)
        return future


def host_of(rig: Rig, facts: HostFacts | None = None) -> tuple[Host, Watched]:
    def opens(context: Any, nova_instance: Any) -> Instance:
        assert (context, nova_instance) == ("context", "instance")
        return rig.instance

    worker = Watched(rig)
    host_instances = FakeHostInstances([rig.instance])
    host = Host(opens, host_instances, facts or HostFacts(), rig.options, rig.boot_grace, worker)
    return host, worker


def untouched(rig: Rig) -> bool:
    return (rig.effects, rig.actions.started, rig.actions.notified, rig.actions.events) == (
        [],
        [],
        [],
        [],
    )
