# SPDX-License-Identifier: Apache-2.0
"""A host whose instances are scaled in rounds that a test makes, in the test's own time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.autoscaling.act import Actor
from nova_xloud.compute.autoscaling.autoscaler import Autoscaler, Clocks, Surroundings
from nova_xloud.compute.autoscaling.journal import JournalFiles
from nova_xloud.compute.converge import converge
from nova_xloud.compute.meter import NoMeter, RoundReport
from nova_xloud.compute.ports import Instance
from nova_xloud.conf import AutoscaleOptions
from nova_xloud.core.autoscaling.journal_names import CURRENT
from nova_xloud.core.autoscaling.mode import Scaling
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import XloudError
from nova_xloud.testing import ManualClock
from nova_xloud.testing.fake_ports import FakeHostInstances
from nova_xloud.testing.fake_scaled_guests import FakeScaledGuests, ScaledGuest
from tests.unit.compute.rig import Rig

INTERVAL = 5.0
OPTIONS = AutoscaleOptions(interval=INTERVAL)
CAPACITY = Size(16, 16384)


class Inline(Executor):
    """Does at once, in the test's thread, what it is given; ``held`` keeps it for later."""

    def __init__(self) -> None:
        self.held: list[Callable[[], Any]] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.held is not None:
            self.held.append(lambda: fn(*args, **kwargs))
        else:
            fn(*args, **kwargs)
        return future


class Runs:
    """The engine's worker: it drives each guest at once, or keeps it busy."""

    def __init__(self, rigs: dict[str, Rig]) -> None:
        self._rigs = rigs
        self.busy: set[str] = set()
        self.submitted: list[tuple[str, str | None, Urgency]] = []

    def is_busy(self, uuid: str) -> bool:
        return uuid in self.busy

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> None:
        self.submitted.append((instance.uuid, action, urgency))
        rig = self._rigs[instance.uuid]
        with contextlib.suppress(XloudError):
            rig.carry_out(converge(instance, rig.options, rig.engine_clock))


class Reports(NoMeter):
    """A meter that keeps the last report, and what was counted."""

    def __init__(self) -> None:
        self.last: RoundReport | None = None
        self.grown: list[bool] = []

    def round_finished(self, report: RoundReport) -> None:
        self.last = report

    def scaled(self, *, grows: bool) -> None:
        self.grown.append(grows)


class ScaledHost:
    """Instances on fakes, the rounds over them, and what a test does to them.

    :ivar rigs: the instances by UUID
    """

    def __init__(
        self,
        *uuids: str,
        mode: Mode = Mode.ON,
        now: Size = Size(2, 1024),  # noqa: B008
        options: AutoscaleOptions = OPTIONS,
        capacity: Size = CAPACITY,
        journal: Path | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.rigs = {
            uuid: Rig(now=now, uuid=uuid, clock=self.clock, capacity=capacity)
            for uuid in uuids or ("a",)
        }
        for rig in self.rigs.values():
            rig.record.scaling = Scaling(mode)
        self.options = options
        self.capacity = capacity
        self.journal = journal
        self.start()

    def start(self) -> None:
        """Begin a nova-compute: what only the last one remembered is gone."""
        self.instances = FakeHostInstances([rig.instance for rig in self.rigs.values()])
        guests = {
            uuid: ScaledGuest(rig.guest, lambda rig=rig: rig.claims.size)  # type: ignore[misc]
            for uuid, rig in self.rigs.items()
        }
        self.guests = FakeScaledGuests(guests, self.capacity, self.clock.wall)
        self.runs = Runs(self.rigs)
        self.meter = Reports()
        self.pool = Inline()
        first = next(iter(self.rigs.values()))
        actor = Actor(
            self.instances,
            self.guests,
            self.runs,
            first.options,
            self.meter,
            HostFacts,
            lambda uuid, request_id: None,
            self.clock.wall,
        )
        around = Surroundings(HostFacts, first.boot_grace, self.runs.is_busy, self.meter, 10)
        clocks = Clocks(self.clock.now, self.clock.wall, first.date)
        files = None if self.journal is None else JournalFiles(self.journal, 64, self.clock.wall)
        self.rounds = Autoscaler(
            self.instances, self.guests, actor, self.options, around, files, clocks, self.pool
        )
        self.learn()

    def start_with_nonsense(self) -> None:
        """Begin a nova-compute that finds a history of nonsense of the guest in its journal."""
        assert self.journal is not None
        (self.journal / CURRENT).write_text(
            '{"v":1,"kind":"checkpoint","uuid":"a","history":{"cpu":{"track":{"peaks":'
            '{"width":225.0,"indexes":[1,2],"values":[1.0]}}}}}\n'
        )
        self.start()

    def learn(self) -> None:
        """A pass reads all records."""
        self.rounds.learn(self.instances.records(), self.clock.now())

    def round(self, count: int = 1) -> None:
        """Make rounds, as far apart as the option says."""
        for _ in range(count):
            self.clock.advance(self.options.interval)
            self.rounds.run_round()

    def until(self, reached: Callable[[], bool], rounds: int = 100) -> int:
        """Make rounds until ``reached``; return how many."""
        for count in range(rounds):
            if reached():
                return count
            self.round()
        raise AssertionError(f"not in {rounds} rounds: {self.told()}")

    def told(self) -> dict[str, Any]:
        """What the status says of each instance, by UUID."""
        return {uuid: self.status(uuid) for uuid in self.rigs}

    def status(self, uuid: str = "a") -> dict[str, Any]:
        """``autoscale`` of the status, with the code of GrowthDeferred as ``deferred``."""
        (one,) = [one for one in self.instances.records() if one.uuid == uuid]
        told, condition = self.rounds.status(one)
        return told | {"deferred": None if condition is None else condition.reason}

    @property
    def desired(self) -> Size:
        """Of the first instance."""
        return next(iter(self.rigs.values())).record.desired.target
