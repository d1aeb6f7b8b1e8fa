# SPDX-License-Identifier: Apache-2.0
"""Scale the instances of one host automatically, in rounds: read, decide, request, write down.

What calls what::

    a pass (reconcile.py)   learn()       gives all instances, with their modes
    a request (host.py)     changed()     gives an instance whose record was changed
    the loop (loop.py)      run_round()   reads the guests, decides, writes the journal
    four threads            requests.py   check the quota, admit, queue the run

With no instance whose mode is ``observe`` or ``on`` there is no thread, no call and no reading.
What a round keeps for the next one is in memory only, but the samples of the guests are in the
journal too, and so is what they have needed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from nova_xloud.clock import utc_now
from nova_xloud.compute.autoscaling.act import Actor, why_not
from nova_xloud.compute.autoscaling.journal import JournalFiles
from nova_xloud.compute.autoscaling.members import Members
from nova_xloud.compute.autoscaling.periods import Periods
from nova_xloud.compute.autoscaling.ports import ScaledGuests
from nova_xloud.compute.autoscaling.reading import Reading
from nova_xloud.compute.autoscaling.report import Standstill, report_of
from nova_xloud.compute.autoscaling.requests import Requests
from nova_xloud.compute.autoscaling.room import Rooms
from nova_xloud.compute.autoscaling.round import claimant_of, decide, grants_of, seen
from nova_xloud.compute.autoscaling.state import GuestState, tuning_of
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.meter import Meter
from nova_xloud.compute.ports import HostInstances, ManagedInstance
from nova_xloud.conf import AutoscaleOptions
from nova_xloud.core.autoscaling.contest import Claimant, Grant
from nova_xloud.core.autoscaling.history import EMPTY
from nova_xloud.core.autoscaling.journal import Checkpoint, Entry, Record
from nova_xloud.core.autoscaling.replay import NONSENSE
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.instance.status import autoscale_status
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import DomainError, NotFound, PlacementUnavailable

LOG = logging.getLogger(__name__)

# For so many intervals after its round has begun a shrink may be requested.
SHRINK_LASTS = 2


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of automatic growth: functions, so that tests can replace them.

    :ivar now: returns monotonic seconds
    :ivar wall: returns seconds since the epoch
    :ivar date: returns the date and time, as :func:`nova_xloud.clock.utc_now` does
    """

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    date: Callable[[], str] = utc_now


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rounds need of the engine and of the host, beside the ports.

    :ivar facts: returns the host's facts that an instance's bounds depend on
    :ivar boot_grace: knows which guests are booting
    :ivar is_busy: returns whether a run of the instance with a UUID is queued or going on
    :ivar meter: gets a report of each round
    :ivar usual_period: ``[libvirt] mem_stats_period_seconds``: seconds between two reports of a
        balloon driver. With 0 Nova's guests have no balloon
    """

    facts: Callable[[], HostFacts]
    boot_grace: BootGrace
    is_busy: Callable[[str], bool]
    meter: Meter
    usual_period: int


class Autoscaler:
    """Scales the instances of one host automatically, a round at a time.

    :param guests: reads the guests, Placement and the quota
    :param actor: makes the requests
    :param journal: gets a line for each decision; None: no journal is written
    :param pool: runs the requests; None: threads of :class:`~.requests.Requests`
    """

    def __init__(
        self,
        host_instances: HostInstances,
        guests: ScaledGuests,
        actor: Actor,
        options: AutoscaleOptions,
        around: Surroundings,
        journal: JournalFiles | None = None,
        clocks: Clocks | None = None,
        pool: Executor | None = None,
    ) -> None:
        self._host_instances = host_instances
        self._actor = actor
        self._options = options
        self._around = around
        self._journal = journal
        self._clocks = clocks or Clocks()
        self._members = Members(self._clocks.now)
        self._reading = Reading(guests, options.interval, self._clocks.now)
        # Only the round replaces them, as a whole; a status reads them.
        self._states: dict[str, GuestState] = {}
        self._rooms = Rooms(guests, host_instances, self._clocks.now)
        self._periods = Periods(host_instances, around.usual_period, self._clocks.wall)
        self._standstill = Standstill()
        self._is_remembered = False
        # What tells the round that has begun last from all others.
        self._newest_round = object()
        self._requests = Requests(
            actor,
            self._members,
            around.meter,
            around.is_busy,
            self._clocks.now,
            SHRINK_LASTS * options.interval,
            pool,
        )

    def learn(self, instances: Sequence[ManagedInstance], began: float) -> None:
        """Store which instances are scaled, and forget those that have left the host.

        :param instances: all elastic instances of the host, as a pass has read them
        :param began: when the pass began to read them, in monotonic seconds
        """
        had_work = self.has_work
        self._members.learn(instances, began)
        self._requests.forget_others(self._members.here)
        if had_work and not self.has_work:
            # No round follows that could report it.
            self._report({}, self._clocks.now())

    def changed(self, one: ManagedInstance) -> None:
        """Store an instance as it is after a request has changed its record.

        :param one: the instance as read after the change
        """
        self._members.changed(one)

    def is_scaled(self, uuid: str) -> bool:
        """Return whether the instance is scaled automatically.

        Also True if the last pass has read the mode ``off``, but a request may have set another
        mode since: the next round reads the record again.
        """
        return uuid in self._members

    @property
    def has_work(self) -> bool:
        """Whether :meth:`is_scaled` is True for an instance, so that rounds are needed."""
        return bool(self._members)

    def status(self, one: ManagedInstance) -> tuple[dict[str, Any], Condition | None]:
        """Return what the status of an instance has about automatic growth.

        :returns: the value of its key ``autoscale``, see
            :func:`nova_xloud.core.instance.status.autoscale_status`; and the condition
            ``GrowthDeferred``, or None if growth is not deferred
        """
        view = one.view
        state = None if view.scaling.is_off else self._states.get(one.uuid)
        if state is None or state.sample is None:
            return autoscale_status(view.scaling, view.desired), None
        since = None
        if state.recommendation is not None:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.since))
        known_at = state.known_at
        age = None if known_at is None else max(0, int(self._clocks.wall() - known_at))
        told = autoscale_status(view.scaling, view.desired, state.recommendation, since, age)
        return told, state.condition

    def close(self) -> None:
        """Make no more requests, because nova-compute is stopping.

        Return at once, also while requests are going on.
        """
        self._requests.close()

    def run_round(self) -> None:
        """Read all guests that are scaled, decide, begin requests, and write the journal.

        If libvirt cannot be asked, the round logs that and decides nothing. If Placement cannot be
        asked, the round logs that and requests nothing. The next round tries again.

        If another round has begun while this one waited for libvirt, the database or Placement, the
        round logs that, and keeps and writes nothing: its samples are older than the other's.
        """
        this_round = self._newest_round = object()
        began = self._clocks.now()
        self._remember()
        self._read_stale()
        members = self._members.scaled()
        if not members:
            self._report({}, began)
            return
        try:
            samples = self._read(members)
        except DomainError as error:
            LOG.warning(
                "Skipping this round of automatic growth: libvirt could not be asked. The next "
                "round tries again: %s",
                error,
            )
            return
        if self._is_left_behind(this_round):
            return
        states = self._decided(members, samples)
        before = self._states
        self._arbitrate({uuid: members[uuid] for uuid in states}, states, began)
        if self._is_left_behind(this_round):
            return
        silent = {
            uuid: before[uuid].without_guest()
            for uuid in members.keys() - states.keys()
            if uuid in before
        }
        kept = {**before, **silent, **states}
        here = self._members.here
        self._states = {uuid: one for uuid, one in kept.items() if uuid in here}
        self._write_down(members, states, before)
        self._report(members, began, states.keys())

    def _is_left_behind(self, this_round: object) -> bool:
        """Return whether another round has begun since, and log it if one has."""
        if self._newest_round is this_round:
            return False
        LOG.warning(
            "A round of automatic growth that hung goes on, and what it has read is dropped, "
            "because another round has begun since."
        )
        return True

    def _report(
        self, members: Mapping[str, ManagedInstance], began: float, read: Collection[str] = ()
    ) -> None:
        now, wall = self._clocks.now(), self._clocks.wall()
        report = report_of(members, self._states, read, now - began, wall, now)
        self._around.meter.round_finished(report)
        self._standstill.look(report)

    def _remember(self) -> None:
        """In the first round, read the histories of the guests from the journal.

        So what guests have needed is known after a restart. In every later round, and without a
        journal, nothing is done.
        """
        if self._is_remembered:
            return
        self._is_remembered = True
        if self._journal is not None:
            histories = self._journal.remembered()
            self._states = {uuid: GuestState(history=one) for uuid, one in histories.items()}
            LOG.info("Automatic growth remembers %d guests from its journal.", len(histories))

    def _read_stale(self) -> None:
        for uuid in self._members.take_stale():
            try:
                view = self._host_instances.open(uuid, "").record.refresh()
            except NotFound:
                view = None
            self._members.replace_view(uuid, view)

    def _read(self, members: Mapping[str, ManagedInstance]) -> Mapping[str, GuestSample]:
        desired = {uuid: one.view.desired.target for uuid, one in members.items()}
        return self._reading.samples(desired, self._periods.begin_round(members.keys()))

    def _decided(
        self, members: Mapping[str, ManagedInstance], samples: Mapping[str, GuestSample]
    ) -> dict[str, GuestState]:
        facts = self._around.facts()
        states: dict[str, GuestState] = {}
        for uuid, sample in samples.items():
            try:
                sample = self._periods.checked(uuid, sample)
                state = self._states.get(uuid, GuestState())
                states[uuid] = state.decided(members[uuid], sample, facts, self._options)
            except Exception as error:
                # The other guests are scaled all the same.
                if isinstance(error, NONSENSE):
                    # What is remembered of this one would be the reason again in each round.
                    known = self._states.get(uuid, GuestState())
                    self._states = {**self._states, uuid: replace(known, history=EMPTY)}
                LOG.exception(
                    "Instance %s: automatic growth could not decide which size the guest needs; "
                    "the next round tries again.",
                    uuid,
                )
        return states

    def _arbitrate(
        self,
        members: Mapping[str, ManagedInstance],
        states: dict[str, GuestState],
        began: float,
    ) -> None:
        """Decide which size each guest gets, and begin the requests for these sizes.

        :param members: the instances whose guests were read in this round, by UUID
        :param states: the states of these guests, by UUID; changed in place
        :param began: when the round began, in monotonic seconds
        """
        clock, date = self._clocks.now(), self._clocks.date()
        booting = {
            uuid: self._around.boot_grace.booting(uuid, sample.boot_id)
            for uuid, one in states.items()
            if (sample := one.sample) is not None
        }
        for uuid, one in members.items():
            states[uuid] = seen(one, states[uuid], clock, booting=booting[uuid])
        free = {uuid: one for uuid, one in members.items() if not why_not(one.view)}

        def claimants() -> dict[str, Claimant]:
            return {
                uuid: self._claimant(one, states[uuid], clock, booting=booting[uuid])
                for uuid, one in free.items()
            }

        grants = self._granted(free, states, claimants) if free else {}
        for uuid, one in members.items():
            decision = decide(one, states[uuid], grants.get(uuid), clock)
            state = self._requests.begin(one, decision.state, decision.size, began)
            deferral = decision.deferral or state.refusal
            if deferral is not None and state.is_news(deferral):
                LOG.info(
                    "Instance %s: its growth is deferred: %s (%s).",
                    uuid,
                    deferral.message,
                    deferral.code,
                )
            state = state.with_deferral(deferral, date)
            asks = decision.size != one.view.desired.target
            states[uuid] = state.with_wish(clock, asks=asks)
            if deferral is not None and state.action == "hold.busy":
                # Not every operation is followed by a pass.
                self._members.read_again(uuid)

    def _claimant(
        self, one: ManagedInstance, state: GuestState, clock: float, *, booting: bool
    ) -> Claimant:
        """Return what the guest has and wants, for arbitration.

        While a request waits to be repeated after a refusal for want of quota, the guest counts as
        one that wants no more of that resource, so that nothing is taken from others or kept for
        it.

        :param clock: monotonic seconds
        :param booting: whether the guest's balloon may still be inflating
        """
        without_quota = {
            name
            for name, refused in state.refusals.items()
            if refused.deferral is not None and refused.deferral.is_of_quota
        }
        waiting = {name for name in without_quota if self._requests.is_paused(one.uuid, name)}
        return claimant_of(one, state, clock, booting=booting).without_wishes(waiting)

    def _granted(
        self,
        members: Mapping[str, ManagedInstance],
        states: dict[str, GuestState],
        claimants: Callable[[], dict[str, Claimant]],
    ) -> dict[str, Grant]:
        """Return what each guest is granted, by UUID; empty if Placement could not be asked.

        :meth:`nova_xloud.compute.autoscaling.room.Rooms.asked` decides when Placement is asked.

        :param members: the instances that automatic growth may change, by UUID
        :param states: the states of the guests, by UUID; they get the claims that were read
        :param claimants: returns what each guest has and wants, by UUID, from ``states`` as it is
        """
        claiming = claimants()
        try:
            claims = self._rooms.asked(members, claiming)
            if claims:
                for uuid, size in claims.items():
                    states[uuid] = replace(states[uuid], reserved=size)
                claiming = claimants()
            return grants_of(members, claiming, self._rooms.known)
        except (PlacementUnavailable, NotFound) as error:
            LOG.warning(
                "Nothing is scaled in this round of automatic growth, because what is free on this "
                "host could not be read from Placement. The next round tries again: %s",
                error,
            )
            return {}

    def _write_down(
        self,
        members: Mapping[str, ManagedInstance],
        states: Mapping[str, GuestState],
        before: Mapping[str, GuestState],
    ) -> None:
        if self._journal is None or not states:
            return
        records: list[Record] = []
        for uuid, state in states.items():
            if uuid not in before or before[uuid].history == EMPTY:
                # Nothing was remembered of it, and the journal may have lines of it all the same.
                records.append(Checkpoint(uuid, EMPTY))
            records.append(self._entry(members[uuid], state))
        self._journal.write(
            records, lambda: [Checkpoint(uuid, one.history) for uuid, one in before.items()]
        )

    def _entry(self, one: ManagedInstance, state: GuestState) -> Entry:
        assert state.sample is not None
        assert state.ranges is not None
        assert state.recommendation is not None
        scaling = one.view.scaling
        tuning = tuning_of(scaling.profile, self._options)
        return Entry(
            uuid=one.uuid,
            mode=scaling.mode,
            profile=scaling.profile,
            ranges=state.ranges,
            sample=state.sample,
            recommendation=state.recommendation,
            action=state.action,
            weight=scaling.weight,
            tuning=None if tuning == TUNINGS[scaling.profile] else tuning,
        )
