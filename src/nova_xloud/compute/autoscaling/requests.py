# SPDX-License-Identifier: Apache-2.0
"""The requests of automatic growth that are under way, and what became of the last ones.

A request checks the quota through nova-conductor, writes the claim in Placement, and reads the
guest. Each of these may take seconds, so a request is made in another thread than the round, and a
later round gets its result. At most one request of an instance is under way. A request may change
both resources; after a refusal each resource has a pause of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

from nova_xloud.compute.attempts import Attempts
from nova_xloud.compute.autoscaling.act import Actor
from nova_xloud.compute.autoscaling.members import Members
from nova_xloud.compute.autoscaling.outcomes import Outcome, after, changed, with_value
from nova_xloud.compute.autoscaling.state import GuestState
from nova_xloud.compute.meter import Meter
from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.conf import EngineOptions
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS
from nova_xloud.errors import DomainError, InvalidState, Refused

LOG = logging.getLogger(__name__)

# Threads that make the requests. A request takes some tenths of a second, and longer if another
# operation holds the instance.
ACTORS = 4
# Seconds of the pauses after a refusal: the first, and the longest.
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0


class Requests:
    """Makes the requests of automatic growth on one host, in threads of its own.

    :param actor: makes one request
    :param members: gets each desired size that was admitted
    :param is_busy: returns whether a run of the instance with a UUID is queued or going on
    :param now: returns monotonic seconds
    :param lasting: for how many seconds after a round has begun a shrink that it has decided on may
        be requested
    :param pool: runs the requests; None: :data:`ACTORS` threads of its own
    """

    def __init__(
        self,
        actor: Actor,
        members: Members,
        meter: Meter,
        is_busy: Callable[[str], bool],
        now: Callable[[], float],
        lasting: float,
        pool: Executor | None = None,
    ) -> None:
        self._actor = actor
        self._members = members
        self._meter = meter
        self._is_busy = is_busy
        self._now = now
        self._lasting = lasting
        retries = EngineOptions(retry_interval=FIRST_RETRY, retry_max_interval=LONGEST_RETRY)
        self._attempts = {name: Attempts(retries, now) for name in (VCPUS, MEMORY)}
        self._pool = pool or ThreadPoolExecutor(ACTORS, thread_name_prefix="xloud-autoscale-act")
        self._lock = threading.Lock()
        # By UUID: requests under way, and ended ones that no round has taken over.
        self._under_way: set[str] = set()
        self._ended: dict[str, list[Outcome]] = {}
        # By UUID: the size that the last round has decided on, and when that round has begun, in
        # monotonic seconds.
        self._decided: dict[str, tuple[Size, float]] = {}
        # By UUID and resource: what was logged of its last failure.
        self._logged: dict[tuple[str, str], str] = {}
        self._is_closed = False

    def begin(
        self, one: ManagedInstance, state: GuestState, size: Size, began: float
    ) -> GuestState:
        """Request ``size`` in another thread, as far as that is due.

        Nothing is due while the last request of the instance is under way, and after :meth:`close`.
        A resource is not due if it is to have the desired value, during the pause after a failed
        request of the same kind, and, if it is to shrink, while a run drives the guest.

        :param state: the guest's state before
        :param began: when the round has begun, in monotonic seconds: its figures may be as old
        :returns: ``state`` with the result of the last request; if nothing is requested though
            ``size`` is not the desired size, ``action`` has the reason: ``hold.acting`` (also after
            :meth:`close`), ``hold.run`` or ``hold.retry``
        """
        uuid, desired = one.uuid, one.view.desired.target
        names = changed(desired, size)
        with self._lock:
            ended = self._ended.pop(uuid, [])
            is_under_way = uuid in self._under_way
            self._decided[uuid] = (size, began)
            for name in self._attempts.keys() - state.growing.union(names):
                self._logged.pop((uuid, name), None)
        for outcome in ended:
            state = after(state, outcome)
        grown = [name for name in names if _grows(desired, size, name)]
        state = state.only_deferring(state.growing.union(grown))
        if size == desired:
            return state
        if is_under_way or self._is_closed:
            return replace(state, action="hold.acting")
        if self._is_busy(uuid):
            size = desired.at_least(size)
        if size == desired:
            return replace(state, action="hold.run")
        size = self._due(one, state, size)
        if size == desired:
            return replace(state, action="hold.retry")
        self._submit(one, state, size)
        return state

    def _due(self, one: ManagedInstance, state: GuestState, size: Size) -> Size:
        """Return ``size``, with the desired value of each resource that waits after a failure."""
        due = desired = one.view.desired.target
        for name in changed(desired, size):
            with self._lock:
                is_due = self._attempts[name].is_due(one.uuid, _like(desired, state, size, name))
            if is_due:
                due = with_value(due, name, size)
        return due

    def _submit(self, one: ManagedInstance, state: GuestState, size: Size) -> None:
        desired = one.view.desired.target
        with self._lock:
            self._under_way.add(one.uuid)
            is_retry = all((one.uuid, name) in self._logged for name in changed(desired, size))
        if not is_retry:
            LOG.info(
                "Instance %s: automatic growth asks for %s instead of %s: %s.",
                one.uuid,
                size,
                desired,
                state.why,
            )
        self._pool.submit(self._act, one, size)

    def is_paused(self, uuid: str, resource: str) -> bool:
        """Return whether a pause lasts in which a failed request for a resource is not repeated.

        The pause begins with the request. It ends early if the request is admitted, or if it is
        refused because another operation came between.
        """
        return self._attempts[resource].is_paused(uuid)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget the results of requests, and the pauses, of all instances except ``uuids``."""
        with self._lock:
            for attempts in self._attempts.values():
                attempts.forget_others(uuids)
            self._ended = {uuid: one for uuid, one in self._ended.items() if uuid in uuids}
            self._decided = {uuid: one for uuid, one in self._decided.items() if uuid in uuids}
            self._logged = {key: one for key, one in self._logged.items() if key[0] in uuids}

    def close(self) -> None:
        """Begin no more requests, because nova-compute is stopping.

        Return at once, also while requests are going on.
        """
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _act(self, one: ManagedInstance, size: Size) -> None:
        ended: list[Outcome] = []
        try:
            for outcome in self._requested(one, size):
                ended.append(outcome)
        except DomainError as error:
            names = changed(one.view.desired.target, size)
            if self._is_news(one.uuid, names, type(error).__name__):
                LOG.info(
                    "Instance %s: automatic growth could not read the guest and tries again: %s",
                    one.uuid,
                    error,
                )
        except Exception:
            LOG.exception(
                "Instance %s: a request of automatic growth failed; it is tried again.", one.uuid
            )
        finally:
            with self._lock:
                self._under_way.discard(one.uuid)
                if ended:
                    self._ended[one.uuid] = ended

    def _requested(self, one: ManagedInstance, size: Size) -> Iterator[Outcome]:
        """Request ``size``, and each resource alone if ``size`` is refused for one of them.

        A resource does not shrink if the shrink is outdated, see :meth:`_still_decided`.

        :returns: what became of the request, or of one for each resource; nothing if all of it is
            outdated
        :raises DomainError: the guest could not be read
        """
        desired, decided = one.view.desired.target, size
        size = self._still_decided(one, decided)
        if size != decided:
            LOG.debug(
                "Instance %s: of the change to %s only %s is requested. The shrink waited too long "
                "or is not decided any more; the next round decides anew.",
                one.uuid,
                decided,
                size,
            )
            self._end_pauses(one.uuid, changed(size, decided))
        if size == desired:
            return
        outcome, _ = self._request(one, size)
        still = self._still_decided(one, size)
        if isinstance(outcome.refusal, InvalidState) and still not in (size, desired):
            # The shrink was outdated while the lock was waited for: the growth is requested alone.
            outcome, _ = self._request(one, still)
        if not outcome.may_be_of_one_resource:
            self._conclude(outcome)
            yield outcome
            return
        for name in outcome.resources:
            alone = with_value(one.view.desired.target, name, size)
            outcome, one = self._request(one, alone)
            self._conclude(outcome)
            yield outcome

    def _still_decided(self, one: ManagedInstance, size: Size) -> Size:
        """Return ``size``, with the desired value of each resource whose shrink is outdated.

        That is so if the last round that has decided on the instance does not shrink the resource
        as far, or has begun more than ``lasting`` seconds ago.
        """
        desired = one.view.desired.target
        with self._lock:
            last, at = self._decided.get(one.uuid, (desired, 0.0))
        if self._now() - at > self._lasting:
            last = desired
        for name in changed(desired, size):
            if not _grows(desired, size, name) and getattr(last, name) > getattr(size, name):
                size = with_value(size, name, desired)
        return size

    def _request(self, one: ManagedInstance, size: Size) -> tuple[Outcome, ManagedInstance]:
        """Make one request; return what became of it, and the instance as it is after it.

        :raises DomainError: the guest could not be read
        """
        try:
            admission = self._actor.act(one, size, lambda: self._still_decided(one, size) == size)
        except Refused as refusal:
            return Outcome(one, size, refusal), one
        outcome = Outcome(one, size)
        if not admission.nothing_to_do:
            self._meter.scaled(grows=outcome.grows)
        return outcome, self._members.admitted(one, size, admission.generation)

    def _conclude(self, outcome: Outcome) -> None:
        """End the pauses of what was admitted, and log what was refused, once for each reason."""
        uuid, names, refusal = outcome.one.uuid, outcome.resources, outcome.refusal
        if refusal is None or isinstance(refusal, InvalidState):
            # After InvalidState the next round decides anew: another operation came between.
            self._end_pauses(uuid, names)
        if refusal is None:
            with self._lock:
                for name in names:
                    self._logged.pop((uuid, name), None)
            return
        # The record may have changed since it was read.
        self._members.read_again(uuid)
        if self._is_news(uuid, names, refusal.reason_code):
            LOG.info("Instance %s: automatic growth was refused: %s", uuid, refusal)

    def _end_pauses(self, uuid: str, resources: Collection[str]) -> None:
        with self._lock:
            for name in resources:
                self._attempts[name].forget(uuid)

    def _is_news(self, uuid: str, resources: Collection[str], reason: str) -> bool:
        """Store and return whether requests for one of the resources have not failed so before.

        What has failed for the same reason before is no news, until a request for the resource is
        admitted or none is wanted any more.
        """
        with self._lock:
            is_news = any(self._logged.get((uuid, name)) != reason for name in resources)
            self._logged |= {(uuid, name): reason for name in resources}
        return is_news


def _grows(desired: Size, size: Size, resource: str) -> bool:
    return bool(getattr(size, resource) > getattr(desired, resource))


def _like(desired: Size, state: GuestState, size: Size, resource: str) -> object:
    """Return the kind of a request for a resource: equal for requests of the same kind.

    After a refusal only requests of the same kind wait. A request for more than was refused is of
    the same kind, because needs differ a little in each round. One for less is of another kind,
    because it may be admitted. So is every request after another change of the resource's desired
    value, or another start of the guest. A change of the other resource ends no pause.
    """
    boot_id = None if state.sample is None else state.sample.boot_id
    value, refused = getattr(size, resource), state.refusals.get(resource)
    is_less = refused is not None and value < refused.value
    grows = _grows(desired, size, resource)
    return getattr(desired, resource), boot_id, grows, value if is_less else None
