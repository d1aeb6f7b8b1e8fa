# SPDX-License-Identifier: Apache-2.0
"""Drive one instance to its desired size: read, execute one step, read again.

Each step runs under the instance's lock and is computed from what was read under it. Between
steps the lock is free, so a user's operation is never kept waiting for a guest; when one has
begun, this stands back.

A run is a generator. It yields where there is nothing to do but wait, and holds nothing then, no
lock and no thread: thousands of runs may wait at once. :class:`nova_xloud.compute.worker.Worker`
lets each go on when its time has come.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TypeVar

from nova_xloud.clock import Clock
from nova_xloud.compute.admit import check_followed
from nova_xloud.compute.execute import execute
from nova_xloud.compute.finish import alarm, finish, outcome_record
from nova_xloud.compute.meter import Meter, NoMeter
from nova_xloud.compute.observe import Observation, observe, read_guest
from nova_xloud.compute.ports import ClaimConflict, Instance, RecordView
from nova_xloud.compute.progress_deadline import ProgressDeadline
from nova_xloud.compute.waits import Pause, Waits, answers, in_the_same_lane, locked
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence import giving_up, next_step, steps
from nova_xloud.core.instance import sample
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Event
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    ClaimRefused,
    DomainBusy,
    DomainError,
    DomainNotFound,
    DomainNotRunning,
    GuestRefused,
    InvalidState,
    NoAllocation,
    NoCapacity,
    NotFound,
    PlacementUnavailable,
    Refused,
    RemovalTimedOut,
    XloudError,
)

LOG = logging.getLogger(__name__)

T = TypeVar("T")

# How long a run may take; after that a pass finds the instance and begins another.
MAX_RUN_IN_TIMEOUTS = 10
_NO_REFUSAL = (DomainNotFound, DomainNotRunning, RemovalTimedOut)
# A guest that is waited for is read alone; seconds after which record and claim are read too, as
# somebody may have begun an operation.
REREAD_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    :ivar converged: the guest has the desired size and no more is reserved
    :ivar deferred: why the run ended before that, for people; None when it did not
    """

    converged: bool
    deferred: str | None = None


@dataclass(frozen=True, slots=True)
class Yield:
    """Another operation on the instance goes first, so a run does not begin or go on.

    :ivar reason: what is known of that operation, for people
    """

    reason: str

    @property
    def outcome(self) -> Outcome:
        return Outcome(False, f"another operation goes first ({self.reason})")


def converge(
    instance: Instance,
    options: EngineOptions,
    clock: Clock | None = None,
    meter: Meter | None = None,
) -> Waits[Outcome]:
    """Take steps until there are none left, or the guest does not follow; write how it ended.

    :raises GuestRefused: a step was not seen within ``step_timeout``; what the guest still
        has stays claimed. After the last try it is desired too
    :raises NoCapacity: more must be reserved first and the host has no room
    :raises ClaimRefused: Placement refuses what is to be reserved, or released; that stays reserved
    :raises PlacementUnavailable: it cannot be asked, or conflicts ``claim_attempts`` times running
    :raises DomainError:
    """
    run = _Run(instance, options, clock or Clock(), meter or NoMeter())
    try:
        outcome = yield from run.to_the_end()
    except DomainBusy as busy:
        outcome = Outcome(False, f"another call goes first, which holds its domain ({busy})")
    except GuestRefused as refused:
        said = yield from run.finish(Event.REFUSE, refused.code, refused.message)
        yield from run.settle()
        raise GuestRefused(refused.code, said) from refused
    except Refused as failed:
        yield from run.finish(Event.FAIL, failed.reason_code, failed.message)
        raise
    except DomainError as failed:
        yield from run.finish(Event.FAIL, giving_up.FAILED, str(failed))
        yield from run.settle()
        raise
    if outcome.deferred is not None and not run.is_closing:
        yield from run.finish(Event.DEFER, message=outcome.deferred)
    return outcome


class _Run:
    """One run of :func:`converge`, and what it remembers between two steps."""

    def __init__(
        self, instance: Instance, options: EngineOptions, clock: Clock, meter: Meter
    ) -> None:
        self._instance = instance
        self._meter = meter
        self._options = options
        self._clock = clock
        self._progress_deadline = ProgressDeadline(clock, options.step_timeout)
        self._begun = clock.now()
        self._run_state = steps.RunState()
        self._conflicts = 0
        self._no_room: NoCapacity | ClaimRefused | None = None
        self._step_failed = False
        self._gave_up = False
        self._may_wait = False
        # The record as it is by our last reading or writing, where that is known.
        self._last_view: RecordView | None = None
        # What was read last under the lock.
        self._seen: Observation

    def to_the_end(self) -> Waits[Outcome]:
        while not self._clock.closing():
            silent = yield from self._in_its_lane(self.who_is_silent())
            if silent is not None:
                return Outcome(False, f"{silent} does not answer")
            if self._clock.now() - self._begun > self._options.step_timeout * MAX_RUN_IN_TIMEOUTS:
                return Outcome(False, "it takes long, so others go first; it goes on later")
            try:
                with (yield from self._in_its_lane(locked(self._instance, self._clock))):
                    done = self._locked_step()
            except InvalidState as held:
                return Yield(held.message).outcome
            outcome = done if isinstance(done, Outcome) else (yield from self._after(done))
            if outcome is not None:
                return outcome
        return Outcome(False, "nova-compute is stopping")

    def _in_its_lane(self, wait: Waits[T]) -> Waits[T]:
        return in_the_same_lane(wait, may_wait=self._may_wait)

    def who_is_silent(self) -> Waits[str | None]:
        """Who of those that are asked under the lock does not answer; None: both do."""
        instance, clock = self._instance, self._clock
        if not (yield from answers(instance.answers, clock)):
            return "the guest's QEMU"
        if not (yield from answers(instance.placement_answers, clock)):
            return "Placement"
        return None

    @property
    def is_closing(self) -> bool:
        return self._clock.closing()

    def finish(self, event: Event, code: str = "", message: str = "") -> Waits[str]:
        """Write how the run ended, and release what the guest gave back.

        :returns: ``message``, and what becomes of what was asked for
        """
        if (yield from self.who_is_silent()) is not None:
            # Whoever comes next finds that it was not written.
            return message
        try:
            with (yield from locked(self._instance, self._clock)):
                seen = observe_or_yield(self._instance)
                if isinstance(seen, Observation):
                    ended, message = self._ended(seen, event, code, message)
                    reserved = finish(self._instance, seen, self._run_state, ended)
                    self._gave_up = ended.given_up != seen.view.desired.given_up
                    self._sample(seen, ended, reserved)
        except (InvalidState, NotFound, ClaimConflict) as busy:
            # A user's operation has begun; a pass comes after it.
            LOG.info("Instance %s: how it ended was not written: %s", self._instance.uuid, busy)
        except (Refused, DomainError) as error:
            LOG.warning("Instance %s: how it ended was not written: %s", self._instance.uuid, error)
        except Exception:
            # What is raised is why the run ended, and not this.
            LOG.exception("Instance %s: how it ended was not written.", self._instance.uuid)
        return message

    def _ended(
        self, seen: Observation, event: Event, code: str, message: str
    ) -> tuple[Desired, str]:
        now, state = self._clock.date(), seen.state
        if event is not Event.REFUSE and not self._step_failed:
            return outcome_record(seen, event, now, code, message), message
        message = giving_up.with_next_start(message, state)
        ended = outcome_record(seen, event, now, code, message)
        ended = giving_up.after_try(ended, state, code, self._options.give_up_after, now)
        if ended.given_up is not None and ended.given_up != seen.view.desired.given_up:
            message = ended.given_up.message
            LOG.warning("Instance %s: given up: %s", self._instance.uuid, message)
        return ended, message

    def settle(self) -> Waits[None]:
        """Where it was given up: do now what is desired instead, and release the rest."""
        if not self._gave_up:
            return
        again = _Run(self._instance, self._options, self._clock, self._meter)
        try:
            yield from again.to_the_end()
        except XloudError as error:
            LOG.info(
                "Instance %s: what it keeps is settled by the next pass: %s",
                self._instance.uuid,
                error,
            )

    def _locked_step(self) -> steps.Step | Outcome | None:
        """Read, decide, execute the step: under the lock, so that nothing comes between.

        :returns: what was done; None: nothing, because it takes a thread that may wait for a guest
        """
        seen = observe_or_yield(self._instance, self._last_view)
        if isinstance(seen, Yield):
            return seen.outcome
        self._seen, self._last_view = seen, seen.view
        self._run_state = self._run_state.after_reading(seen.state.guest)
        step = next_step.next_step(seen.state, self._run_state, self._options.limits)
        if steps.waits_in_libvirt(step, seen.state.held) and not self._may_wait:
            return None
        self._sample(seen, seen.view.desired, seen.state.reserved)
        try:
            self._execute(step, seen)
        except InvalidState as busy:
            return Yield(busy.message).outcome
        except ClaimConflict as conflict:
            self._count(conflict)
        else:
            self._conflicts = 0
        if isinstance(step, steps.Converged):
            there = outcome_record(seen, Event.REACH, self._clock.date())
            self._sample(seen, there, seen.state.reserved)
        return step

    def _sample(self, seen: Observation, record: Desired, reserved: Size) -> None:
        state = replace(seen.state, desired=record, reserved=reserved)
        self._meter.sampled(self._instance.uuid, sample.of_run(state, self._clock.date()))

    def _execute(self, step: steps.Step, seen: Observation) -> None:
        date = self._clock.date()
        if steps.writes_the_record(step):
            self._last_view = None
        try:
            self._run_state = execute(step, self._instance, seen, self._run_state, date)
            self._log_step(step, seen.view.desired.progress.request_id)
        except (NoCapacity, ClaimRefused) as no_room:
            if not isinstance(step, steps.Claim):
                # A release, which Placement refuses at every try: one is enough.
                self._run_state = replace(self._run_state, release_refused=True)
                raise
            is_first, self._no_room = self._no_room is None, no_room
            self._run_state = replace(self._run_state, claim_denied=seen.state.minimum_claim)
            if is_first:
                self._last_view = None
                alarm(self._instance, seen, date)
        except NoAllocation as lost:
            self._last_view = None
            alarm(self._instance, seen, date, lost.message)
            raise
        except DomainError as error:
            # One that is not there any more, or busy, has not refused anything.
            self._step_failed = not isinstance(error, _NO_REFUSAL)
            # Whether the target was set all the same is not known.
            self._run_state = replace(self._run_state, balloon_target_mb=None)
            raise

    def _log_step(self, step: steps.Step, asked_by: str) -> None:
        said = steps.in_words(step)
        if said is None:
            LOG.debug("Instance %s: %s", self._instance.uuid, step)
            return
        # A run does what was asked last, which may be another request than it was begun for.
        for_whom = "" if asked_by in ("", self._instance.request_id) else f", as {asked_by} asked"
        LOG.info("Instance %s: %s%s.", self._instance.uuid, said, for_whom)

    def _after(self, done: steps.Step | None) -> Waits[Outcome | None]:
        """What the step that was executed means for the run; None: it goes on."""
        self._may_wait = done is None
        match done:
            case None:
                yield Pause(0.0, may_wait=True)
            case steps.Converged():
                return Outcome(True)
            case steps.Deferred(why):
                return Outcome(False, why)
            case steps.Stuck(code, why):
                raise GuestRefused(code, why)
            case steps.NoRoom():
                assert self._no_room is not None
                raise self._no_room
            case steps.Await():
                if self._progress_deadline.passed(done):
                    self._progress_deadline.reset()
                    return self._give_up(done)
                yield from self._wait_for_the_guest()
            case steps.SetDefinition() | steps.SetMemory() | steps.SetVcpus() | steps.SetOnline():
                self._progress_deadline.reset()
            case steps.Claim():
                # It took more on its own; one that does so again and again is not raced.
                yield Pause(self._options.poll_interval)
        return None

    def _wait_for_the_guest(self) -> Waits[None]:
        """Until it is time for another step, or to read record and claim again.

        Only the guest is read meanwhile. Nothing is written by what is read here.
        """
        read_at = self._clock.now()
        while True:
            news = yield Pause(self._progress_deadline.pause(self._options.poll_interval))
            if news or self._clock.closing() or self._clock.now() - read_at > REREAD_AFTER:
                return
            if not (yield from answers(self._instance.answers, self._clock)):
                return
            step = self._next_step_by_the_guest()
            if not isinstance(step, steps.Await) or self._progress_deadline.passed(step):
                return

    def _next_step_by_the_guest(self) -> steps.Step | None:
        """What comes next if record and claim are as they were; None: the guest is not there."""
        seen = self._seen
        try:
            _, guest, booting = read_guest(self._instance, seen.view)
        except DomainError:
            return None
        self._run_state = self._run_state.after_reading(guest)
        state = replace(seen.state, guest=guest, booting=booting)
        return next_step.next_step(state, self._run_state, self._options.limits)

    def _give_up(self, waited_for: steps.Await) -> Outcome | None:
        if waited_for.booting:
            return Outcome(False, f"the guest has just started; {waited_for.what} later")
        seconds = min(self._options.step_timeout, waited_for.within or math.inf)
        why = f"waited {seconds:g} s that {waited_for.what}; what it has stays claimed"
        run_state = self._run_state.given_up(waited_for, why)
        if run_state is None:
            raise GuestRefused(waited_for.code, why)
        self._run_state = run_state
        return None

    def _count(self, conflict: ClaimConflict) -> None:
        self._conflicts += 1
        if self._conflicts >= self._options.claim_attempts:
            raise PlacementUnavailable(f"{self._conflicts} conflicts running") from conflict


def observe_or_yield(
    instance: Instance, last_view: RecordView | None = None
) -> Observation | Yield:
    """Read the instance, unless another operation on it goes first.

    :param last_view: see :func:`observe`
    """
    try:
        return observe(instance, check_followed, last_view)
    except (NotFound, InvalidState) as busy:
        return Yield(busy.message)
