# SPDX-License-Identifier: Apache-2.0
"""Puts automatic growth on one host together: its rounds, its thread, its requests, its journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_xloud.compute.autoscaling.act import Actor
from nova_xloud.compute.autoscaling.autoscaler import Autoscaler, Clocks, Surroundings
from nova_xloud.compute.autoscaling.journal import JournalFiles
from nova_xloud.compute.autoscaling.loop import Loop
from nova_xloud.compute.autoscaling.ports import ScaledGuests
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.meter import Meter
from nova_xloud.compute.ports import HostInstances, Instance, ManagedInstance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import AutoscaleOptions, EngineOptions
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import NotFound


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What automatic growth needs of the engine of its host.

    :ivar facts: returns the host's facts that an instance's bounds depend on
    :ivar begun: called with the instance's UUID and the request id once a request is admitted
    """

    host_instances: HostInstances
    worker: Worker
    options: EngineOptions
    meter: Meter
    facts: Callable[[], HostFacts]
    boot_grace: BootGrace
    begun: Callable[[str, str], None]


class ScalingService:
    """Scales the instances of one host, in a thread that runs while an instance is scaled.

    An instance is scaled if its mode is ``observe`` or ``on``.

    :param usual_period: ``[libvirt] mem_stats_period_seconds``
    :param pool: runs the requests; None: threads of its own
    :ivar rounds: reads the guests and decides, every ``[xloud] autoscale_interval`` seconds
    """

    def __init__(
        self,
        parts: EngineParts,
        guests: ScaledGuests,
        options: AutoscaleOptions,
        usual_period: int,
        clocks: Clocks | None = None,
        pool: Executor | None = None,
    ) -> None:
        clocks = clocks or Clocks()
        actor = Actor(
            parts.host_instances,
            guests,
            parts.worker,
            parts.options,
            parts.meter,
            parts.facts,
            parts.begun,
            clocks.wall,
        )
        around = Surroundings(
            parts.facts, parts.boot_grace, parts.worker.is_busy, parts.meter, usual_period
        )
        journal = None
        if options.journal:
            journal = JournalFiles(Path(options.journal), options.journal_mb, clocks.wall)
        self.rounds = Autoscaler(
            parts.host_instances, guests, actor, options, around, journal, clocks, pool
        )
        self._loop = Loop(self.rounds, options.interval, clocks.now)

    def learn(self, instances: Sequence[ManagedInstance], began: float) -> None:
        """Store which instances are scaled, and start the thread if there are any.

        :param instances: all elastic instances of the host, as a pass has read them
        :param began: when the pass began to read them, in monotonic seconds
        """
        self.rounds.learn(instances, began)
        self._loop.ensure()

    def requested(self, instance: Instance, *, names_mode: bool) -> None:
        """Read the record of ``instance`` again, because a person's request for it was admitted.

        Nothing is read unless the instance is scaled, or the request names a mode.

        :param names_mode: whether the request names a mode of automatic growth
        """
        if not names_mode and not self.rounds.is_scaled(instance.uuid):
            return
        try:
            view = instance.record.refresh()
        except NotFound:
            return
        self.rounds.changed(ManagedInstance(instance.uuid, instance.node, view))
        self._loop.ensure()

    def status(self, one: ManagedInstance) -> tuple[dict[str, Any], Condition | None]:
        """Return the value of ``autoscale`` in the status of an instance, and ``GrowthDeferred``.

        See :meth:`nova_xloud.compute.autoscaling.autoscaler.Autoscaler.status`.
        """
        return self.rounds.status(one)

    def close(self) -> None:
        """Begin no more rounds and requests, because nova-compute is stopping.

        Return at once, also while a round or requests are going on.
        """
        self._loop.close()
        self.rounds.close()


# Makes the service of a host from the parts of its engine.
ScalingOf = Callable[[EngineParts], ScalingService]
