# SPDX-License-Identifier: Apache-2.0
"""Drive one instance to its desired size: read the instance, execute one step, read it again.

Each step runs under the instance's lock and is computed from what was read under that lock. Between
two steps the lock is free, so a user's operation waits for a step and not for the whole run. In a
step libvirt may wait for the guest for 5 s. If the run then finds that operation going on, or does
not get the lock within 10 s, the run ends as deferred.

A run is a generator. It yields a pause where there is nothing to do but wait, and while it pauses
it holds no lock and no thread: thousands of runs may wait at once.
:class:`nova_xloud.compute.worker.Worker` resumes each run when its pause is over.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TypeVar

from nova_xloud.clock import Clock
from nova_xloud.compute.execute import execute
from nova_xloud.compute.finish import alarm, finish, outcome_record
from nova_xloud.compute.meter import Meter, NoMeter
from nova_xloud.compute.observe import Observation, read_guest
from nova_xloud.compute.outcome import Outcome, Yield, observe_or_yield
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

# How long a run may take, in step_timeout; after that a pass finds the instance and begins another.
MAX_RUN_IN_TIMEOUTS = 10
_NO_REFUSAL = (DomainBusy, DomainNotFound, DomainNotRunning, RemovalTimedOut)
# While a run waits for its guest, it reads only the guest. Seconds after which it reads the record
# and the claim too, because another operation may have begun.
REREAD_AFTER = 10.0


def converge(
    instance: Instance,
    options: EngineOptions,
    clock: Clock | None = None,
    meter: Meter | None = None,
) -> Waits[Outcome]:
    """Execute steps until none is left or the guest does not follow, and record the outcome.

    The run ends as deferred if another operation goes first, another libvirt call has the domain,
    QEMU or Placement does not answer, the guest cannot follow because it is paused or boots, the
    run takes too long, or nova-compute is stopping. It also ends so if the vm_state, such as
    ``error``, is one in which nova-xloud leaves the guest as it is. A later pass queues another run
    if there is still something to do.

    That the size was reached is an outcome only once it is recorded: if another operation has begun
    before that, the run ends as deferred, and an error of the database is raised as it is. Any
    other outcome or error that cannot be recorded is returned or raised all the same. A deferral
    because nova-compute is stopping is not recorded.

    :returns: a generator that yields each :class:`~.waits.Pause` and returns the outcome
    :raises GuestRefused: the guest did not follow a step in time or refused it, libvirt did not
        change the definition, or no step is possible until the guest acts or restarts. What the
        guest has stays claimed. After ``give_up_after`` such tries it may become the desired size
    :raises NoCapacity: more must be reserved first, and the host has no room for it
    :raises ClaimRefused: Placement refuses a claim or a release; what was reserved stays reserved
    :raises NoAllocation: Placement has no allocation for the instance on this host
    :raises PlacementUnavailable: Placement cannot be asked, or ``claim_attempts`` writes in a row
        met a conflict
    :raises DomainError: libvirt refused or failed a call for another reason than a busy domain. If
        that call was a step, the run may count as one of the ``give_up_after`` tries
    """
    run = _Run(instance, options, clock or Clock(), meter or NoMeter())
    try:
        outcome = yield from run.to_the_end()
    except DomainBusy as busy:
        outcome = Outcome(
            False, f"another libvirt call holds the instance's domain and goes first ({busy})"
        )
    except GuestRefused as refused:
        message = yield from run.finish(Event.REFUSE, refused.code, refused.message)
        yield from run.settle()
        raise GuestRefused(refused.code, message) from refused
    except Refused as failed:
        yield from run.finish(Event.FAIL, failed.reason_code, failed.recorded)
        raise
    except DomainError as failed:
        yield from run.finish(Event.FAIL, giving_up.FAILED, str(failed))
        yield from run.settle()
        raise
    if outcome.deferred is not None and not run.is_closing:
        yield from run.finish(Event.DEFER, message=outcome.deferred)
    return outcome


class _Run:
    """One run of :func:`converge`: its steps, and what it remembers from one step to the next."""

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
        # The record as this run read it last; None once this run has written it.
        self._last_view: RecordView | None = None
        # What was last read under the lock.
        self._seen: Observation

    def to_the_end(self) -> Waits[Outcome]:
        """Execute steps until the run has an outcome, and return the outcome.

        Of all outcomes only one is recorded here, by the last steps: that the size was reached.
        The errors of :func:`converge` are raised without being recorded, and so is
        :class:`DomainBusy`.
        """
        while not self._clock.closing():
            silent = yield from self._in_its_lane(self.who_is_silent())
            if silent is not None:
                return Outcome(False, f"{silent} does not answer")
            if self._clock.now() - self._begun > self._options.step_timeout * MAX_RUN_IN_TIMEOUTS:
                return Outcome(
                    False,
                    "the run takes too long, so others go first; the next pass queues another run",
                )
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
        """Return ``the guest's QEMU`` or ``Placement`` if it does not answer; None if both answer.

        Both are called under the lock afterwards. A call to one that hangs would keep the lock.
        """
        instance, clock = self._instance, self._clock
        if not (yield from answers(instance.answers, clock)):
            return "the guest's QEMU"
        if not (yield from answers(instance.placement_answers, clock)):
            return "Placement"
        return None

    @property
    def is_closing(self) -> bool:
        """Whether nova-compute is stopping."""
        return self._clock.closing()

    def finish(self, event: Event, code: str = "", message: str = "") -> Waits[str]:
        """Record the outcome of the run, and release what the guest gave back.

        Nothing is raised: what fails here is logged, and a pass makes up for it. Nothing is done if
        QEMU or Placement does not answer, or if another operation has begun already.

        :param event: how the run ended
        :param code: the stable reason code of the error that ended the run; empty without an error
        :param message: why the run ended, for people
        :returns: ``message``; after a refusal or a step that failed, ``message`` with the size of
            the guest's next start if that is less than the guest holds, or the text of the
            condition ``GaveUp`` if the size was given up
        """
        if (yield from self.who_is_silent()) is not None:
            # The record still shows the run as not ended, so the next pass resumes the instance.
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
            # A user's operation has begun; a pass follows after that operation.
            LOG.info(
                "Instance %s: how the run to its desired size ended was not recorded, because "
                "another operation has begun, what Placement has of the instance or its host has "
                "changed meanwhile, or the instance is gone. If the instance is still there, a "
                "reconcile pass continues, after the operation if there is one: %s",
                self._instance.uuid,
                busy,
            )
        except (Refused, DomainError) as error:
            LOG.warning(
                "Instance %s: the run to its desired size has ended, but not all that ends it was "
                "done (releasing what the guest gave back, recording the outcome, stopping the "
                "balloon, setting back the period of its statistics). A later run does the "
                "rest: %s",
                self._instance.uuid,
                error,
            )
        except Exception:
            # The caller raises the error that ended the run, which matters more than this one.
            LOG.exception(
                "Instance %s: the run to its desired size has ended, but not all that ends it was "
                "done (releasing what the guest gave back, recording the outcome, stopping the "
                "balloon, setting back the period of its statistics). A later run does the "
                "rest.",
                self._instance.uuid,
            )
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
            LOG.warning(
                "Instance %s: the size that was asked for was given up: %s",
                self._instance.uuid,
                message,
            )
        return ended, message

    def settle(self) -> Waits[None]:
        """If this run has given up the size, converge to the size that the instance keeps.

        A :class:`XloudError` is logged and not raised, and the next pass queues another run.
        """
        if not self._gave_up:
            return
        again = _Run(self._instance, self._options, self._clock, self._meter)
        try:
            yield from again.to_the_end()
        except XloudError as error:
            LOG.info(
                "Instance %s: the size was given up, but the run to the size that the instance "
                "keeps has failed; a later pass tries again, after at most [xloud] "
                "retry_max_interval: %s",
                self._instance.uuid,
                error,
            )

    def _locked_step(self) -> steps.Step | Outcome | None:
        """Read the instance, decide on the next step, and execute it; the caller has the lock.

        :returns: the step; it had no effect if Placement refused to claim more or reported a
            conflict. An outcome if another operation goes first. None if nothing was done, because
            the step needs a thread in which libvirt may wait for the guest
        :raises XloudError: an error of :func:`converge`, or :class:`DomainBusy`, that ends the run
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
        except (InvalidState, NotFound) as busy:
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
        found = sample.of_run(state, self._clock.date())
        self._meter.sampled(self._instance.uuid, found, self._instance.project_id)

    def _execute(self, step: steps.Step, seen: Observation) -> None:
        date = self._clock.date()
        if steps.writes_the_record(step):
            self._last_view = None
        try:
            before = self._run_state
            self._run_state = execute(step, self._instance, seen, before, date)
            if steps.took_effect(step, before, self._run_state):
                self._log_step(step, seen.view.desired.progress.request_id)
        except (NoCapacity, ClaimRefused) as no_room:
            if not isinstance(step, steps.Claim):
                # Placement would refuse this release at every try, so the run tries it once.
                self._run_state = replace(self._run_state, release_refused=True)
                raise
            is_first, self._no_room = self._no_room is None, no_room
            self._run_state = replace(self._run_state, claim_denied=seen.state.minimum_claim)
            if is_first:
                self._last_view = None
                alarm(self._instance, seen, date, no_room.message)
        except NoAllocation as lost:
            self._last_view = None
            alarm(self._instance, seen, date, lost.message)
            raise
        except DomainError as error:
            # A domain that is busy or has gone, or a removal that is only late, refuses nothing.
            self._step_failed = not isinstance(error, _NO_REFUSAL)
            # libvirt may have set the target before the error, so the target is unknown.
            self._run_state = replace(self._run_state, balloon_target_mb=None)
            raise

    def _log_step(self, step: steps.Step, asked_by: str) -> None:
        done = steps.in_words(step)
        if done is None:
            LOG.debug("Instance %s: next step: %s", self._instance.uuid, step)
            return
        # A run does what was asked for last, which may be another request than its own.
        for_whom = "" if asked_by in ("", self._instance.request_id) else f", as {asked_by} asked"
        LOG.info("Instance %s: step done: %s%s.", self._instance.uuid, done, for_whom)

    def _after(self, done: steps.Step | None) -> Waits[Outcome | None]:
        """Do what follows a step: go on, wait for the guest, or end the run.

        :param done: the step; None if the run first needs a thread in which libvirt may wait for
            the guest
        :returns: the outcome if the run ends; None if it goes on
        :raises GuestRefused: no step is possible, or the guest did not follow in time, and the run
            cannot go on without that
        :raises NoCapacity: only what the host has no room for is left to do
        :raises ClaimRefused: only what Placement refuses to claim is left to do
        """
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
                # The guest took more on its own. The pause keeps the run from racing a guest that
                # takes more again and again.
                yield Pause(self._options.poll_interval)
        return None

    def _wait_for_the_guest(self) -> Waits[None]:
        """Wait until another step is due, or until the record and the claim have to be read again.

        These have to be read again after :data:`REREAD_AFTER` seconds, and once another run was
        submitted for the instance. The wait also ends if the guest takes too long, if it cannot be
        read, if its QEMU does not answer, and if nova-compute is stopping.

        Meanwhile only the guest is read, without the lock, and nothing is written.
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
        """Read the guest alone, and return the step that follows if nothing else has changed.

        Record and claim are those that were read last. None if the guest cannot be read.
        """
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
            return Outcome(
                False,
                f"the guest has just started, and a later run waits for this: {waited_for.what}",
            )
        seconds = min(self._options.step_timeout, waited_for.within or math.inf)
        why = (
            f"waited {seconds:g} s, and this did not happen: {waited_for.what}; "
            f"what the guest has stays claimed"
        )
        run_state = self._run_state.given_up(waited_for, why)
        if run_state is None:
            raise GuestRefused(waited_for.code, why)
        self._run_state = run_state
        return None

    def _count(self, conflict: ClaimConflict) -> None:
        self._conflicts += 1
        if self._conflicts >= self._options.claim_attempts:
            raise PlacementUnavailable(
                f"each of {self._conflicts} writes of the instance's allocation met another change "
                f"in Placement, of that allocation or of its host's resource provider; a later "
                f"pass tries again"
            ) from conflict
