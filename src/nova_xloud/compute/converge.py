# SPDX-License-Identifier: Apache-2.0
"""Drive one instance to its desired size: read the instance, execute one step, read it again.

Each step runs under the instance's lock and is computed from what was read under that lock. Between
two steps the lock is free, so a user's operation never has to wait for a guest; once such an
operation has begun, the run yields to it and ends.

A run is a generator. It yields a pause where there is nothing to do but wait, and while it pauses
it holds no lock and no thread: thousands of runs may wait at once.
:class:`nova_xloud.compute.worker.Worker` resumes each run when its pause is over.
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

# How long a run may take, in step_timeout; after that a pass finds the instance and begins another.
MAX_RUN_IN_TIMEOUTS = 10
_NO_REFUSAL = (DomainNotFound, DomainNotRunning, RemovalTimedOut)
# While a run waits for its guest, it reads only the guest. Seconds after which it reads the record
# and the claim too, because another operation may have begun.
REREAD_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended that ended without an error.

    :ivar converged: the guest has the desired size or is off, and no more is reserved than is
        needed
    :ivar deferred: why the run ended before that, as text for people; None if it converged
    """

    converged: bool
    deferred: str | None = None


@dataclass(frozen=True, slots=True)
class Yield:
    """The reason why a run does not begin or go on: another operation on the instance goes first.

    :ivar reason: what is known of that operation, as text for people
    """

    reason: str

    @property
    def outcome(self) -> Outcome:
        """The outcome of the run that yields: deferred, with the reason."""
        return Outcome(False, f"another operation goes first ({self.reason})")


def converge(
    instance: Instance,
    options: EngineOptions,
    clock: Clock | None = None,
    meter: Meter | None = None,
) -> Waits[Outcome]:
    """Execute steps until none is left or the guest does not follow, and record the outcome.

    The run ends as deferred, and a later pass resumes it, if another operation goes first, another
    libvirt call has the domain, QEMU or Placement does not answer, the guest is paused or boots,
    the instance is not driven, the run takes too long, or nova-compute is stopping. The outcome is
    not recorded if nova-compute is stopping, if another operation has begun, or if QEMU or
    Placement does not answer.

    :returns: a generator that yields each :class:`~.waits.Pause` and returns the outcome
    :raises GuestRefused: the guest did not follow a step within ``step_timeout``, or refused it, or
        no step is safe before the guest acts or restarts. What the guest still has stays claimed;
        once ``give_up_after`` tries have failed, it becomes the desired size too
    :raises NoCapacity: more must be reserved first, and the host has no room for it
    :raises ClaimRefused: Placement refuses a claim or a release; what was reserved stays reserved
    :raises NoAllocation: Placement has no allocation for the instance on this host
    :raises NotFound: the instance was deleted or has left this host between a reading and a write
    :raises PlacementUnavailable: Placement cannot be asked, or ``claim_attempts`` writes in a row
        met a conflict
    :raises DomainError: libvirt refused or failed a call for another reason than a busy domain. If
        that was a step, it may count as one of the ``give_up_after`` tries too
    """
    run = _Run(instance, options, clock or Clock(), meter or NoMeter())
    try:
        outcome = yield from run.to_the_end()
    except DomainBusy as busy:
        outcome = Outcome(
            False, f"another libvirt call has the instance's domain and goes first ({busy})"
        )
    except GuestRefused as refused:
        message = yield from run.finish(Event.REFUSE, refused.code, refused.message)
        yield from run.settle()
        raise GuestRefused(refused.code, message) from refused
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

        Only the outcome of a run that converged is recorded here, by its last step. The errors of
        :func:`converge` are raised as they come, and so is :class:`DomainBusy`.
        """
        while not self._clock.closing():
            silent = yield from self._in_its_lane(self.who_is_silent())
            if silent is not None:
                return Outcome(False, f"{silent} does not answer")
            if self._clock.now() - self._begun > self._options.step_timeout * MAX_RUN_IN_TIMEOUTS:
                return Outcome(
                    False, "the run takes long, so others go first; the next pass resumes it"
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
        """Return which of QEMU and Placement does not answer, for people; None if both answer.

        Both are called under the lock afterwards, where one that hangs would keep the lock.
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

        Never raises: what fails here is logged, and a pass makes up for it. If QEMU or Placement
        does not answer, or another operation goes first, nothing is recorded and nothing released.

        :param event: how the run ended
        :param code: the stable reason code of the error that ended the run, if one did
        :param message: why the run ended, for people
        :returns: ``message``; after a step that failed, with what the guest starts with next, or
            with the reason why the size was given up
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
                "Instance %s: the outcome of the run was not recorded; a pass resumes the "
                "instance: %s",
                self._instance.uuid,
                busy,
            )
        except (Refused, DomainError) as error:
            LOG.warning(
                "Instance %s: the outcome of the run was not recorded; a pass resumes the "
                "instance: %s",
                self._instance.uuid,
                error,
            )
        except Exception:
            # The caller raises the error that ended the run, which matters more than this one.
            LOG.exception(
                "Instance %s: the outcome of the run was not recorded; a pass resumes the "
                "instance.",
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
        """If the size was given up: converge to what is desired instead, and release the rest.

        Raises no :class:`XloudError`: what fails here is logged, and the next pass does it again.
        """
        if not self._gave_up:
            return
        again = _Run(self._instance, self._options, self._clock, self._meter)
        try:
            yield from again.to_the_end()
        except XloudError as error:
            LOG.info(
                "Instance %s: the next pass has to claim or release what the instance keeps: %s",
                self._instance.uuid,
                error,
            )

    def _locked_step(self) -> steps.Step | Outcome | None:
        """Read the instance, decide on the next step, and execute it, all under the lock.

        :returns: the step that was executed, or that a conflict in Placement or a full host has
            kept from having an effect, so that the run goes on; an outcome if another operation
            goes first; None if nothing was done, because the step needs a thread that may wait for
            a guest
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
                # Placement would refuse this release at every try, so the run tries it once.
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
            # A domain that has gone, or a removal that is only late, has not refused anything.
            self._step_failed = not isinstance(error, _NO_REFUSAL)
            # libvirt may have set the target before the error, so the target is unknown.
            self._run_state = replace(self._run_state, balloon_target_mb=None)
            raise

    def _log_step(self, step: steps.Step, asked_by: str) -> None:
        done = steps.in_words(step)
        if done is None:
            LOG.debug("Instance %s: %s", self._instance.uuid, step)
            return
        # A run does what was asked for last, which may be another request than its own.
        for_whom = "" if asked_by in ("", self._instance.request_id) else f", as {asked_by} asked"
        LOG.info("Instance %s: %s%s.", self._instance.uuid, done, for_whom)

    def _after(self, done: steps.Step | None) -> Waits[Outcome | None]:
        """Return the outcome that the executed step ends the run with; None if the run goes on.

        :param done: the step; None if the run first needs a thread that may wait for the guest
        :raises GuestRefused: no step is safe, or the guest did not follow in time, and the run
            cannot go on without that
        :raises NoCapacity: only what the host has no room for is left
        :raises ClaimRefused: only what Placement refuses to claim is left
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

        They have to be after :data:`REREAD_AFTER` seconds, or if another run was submitted. The
        wait also ends if the guest has had too much time, if its QEMU does not answer, and if
        nova-compute is stopping. Only the guest is read meanwhile, without the lock, and nothing is
        written from it.
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
        """Return the next step if record and claim are unchanged; None: the guest is unreadable."""
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
                f"the guest has just started, and this has to wait until later: {waited_for.what}",
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
                f"{self._conflicts} conflicts in a row: each time somebody else had changed the "
                f"instance's allocation; the next pass tries again"
            ) from conflict


def observe_or_yield(
    instance: Instance, last_view: RecordView | None = None
) -> Observation | Yield:
    """Read the instance, or return why the run yields to another operation on it.

    That is also the answer if the instance was deleted or has left this host.

    :param last_view: the record as it was read last, as for :func:`observe`
    :raises DomainError: the guest could not be read
    :raises PlacementUnavailable: Placement could not be asked
    """
    try:
        return observe(instance, check_followed, last_view)
    except (NotFound, InvalidState) as busy:
        return Yield(busy.message)
