# SPDX-License-Identifier: Apache-2.0
"""The requests of automatic growth that are under way, and the results of the last ones.

A request checks the quota through nova-conductor, writes the claim in Placement, and reads the
guest. Each of these may take seconds, so a request is made in another thread than the round, and a
later round gets its result. At most one request of an instance is under way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

from nova_xloud.compute.attempts import Attempts
from nova_xloud.compute.autoscaling.act import Actor
from nova_xloud.compute.autoscaling.members import Members
from nova_xloud.compute.autoscaling.state import GuestState
from nova_xloud.compute.meter import Meter
from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.conf import EngineOptions
from nova_xloud.core.autoscaling.deferral import of_refusal
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS
from nova_xloud.errors import Blocked, DomainError, InvalidState, Refused

LOG = logging.getLogger(__name__)

# Threads that make the requests. A request takes some tenths of a second, and longer if another
# operation holds the instance.
ACTORS = 4
# Seconds of the pauses after a refusal: the first, and the longest.
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request that was admitted or refused.

    :ivar one: the instance as it was when the request was decided
    :ivar size: the size that was requested
    :ivar refusal: why the request was refused; None if it was admitted
    """

    one: ManagedInstance
    size: Size
    refusal: Refused | None = None

    @property
    def grows(self) -> bool:
        """Whether more of a resource was requested than was desired before."""
        return not self.one.view.desired.target.covers(self.size)


class Requests:
    """Makes the requests of automatic growth on one host, in threads of its own.

    :param actor: makes one request
    :param members: gets each desired size that was admitted
    :param is_busy: returns whether a run of the instance with a UUID is queued or going on
    :param now: returns monotonic seconds
    :param pool: runs the requests; None: :data:`ACTORS` threads of its own
    """

    def __init__(
        self,
        actor: Actor,
        members: Members,
        meter: Meter,
        is_busy: Callable[[str], bool],
        now: Callable[[], float],
        pool: Executor | None = None,
    ) -> None:
        self._actor = actor
        self._members = members
        self._meter = meter
        self._is_busy = is_busy
        retries = EngineOptions(retry_interval=FIRST_RETRY, retry_max_interval=LONGEST_RETRY)
        self._attempts = Attempts(retries, now)
        self._pool = pool or ThreadPoolExecutor(ACTORS, thread_name_prefix="xloud-autoscale-act")
        self._lock = threading.Lock()
        # By UUID: requests under way, and ended ones that no round has taken over.
        self._under_way: set[str] = set()
        self._ended: dict[str, _Ended] = {}
        self._is_closed = False

    def begin(self, one: ManagedInstance, state: GuestState, size: Size) -> GuestState:
        """Request ``size`` in another thread if that is due.

        It is not due if ``size`` is the desired size, while the last request of the instance is
        under way, during the pause after a failed request of the same kind, while a run drives the
        guest and nothing is to grow, and after :meth:`close`.

        :param state: the guest's state before
        :returns: ``state`` with the result of the last request; if ``size`` is not requested though
            it is not the desired size, ``action`` has the reason: ``hold.acting`` (also after
            :meth:`close`), ``hold.retry`` or ``hold.run``
        """
        uuid, desired = one.uuid, one.view.desired.target
        with self._lock:
            ended = self._ended.pop(uuid, None)
            is_under_way = uuid in self._under_way
        if ended is not None:
            state = _after(ended, state)
        if desired.covers(size) and not state.grows:
            state = replace(state, refusal=None)
        if size == desired:
            return state
        if is_under_way or self._is_closed:
            return replace(state, action="hold.acting")
        if desired.covers(size) and self._is_busy(uuid):
            return replace(state, action="hold.run")
        if not self._attempts.is_due(uuid, _like(one, state, size)):
            return replace(state, action="hold.retry")
        with self._lock:
            self._under_way.add(uuid)
        LOG.info(
            "Instance %s: automatic growth asks for %s instead of %s: %s.",
            uuid,
            size,
            desired,
            state.why,
        )
        self._pool.submit(self._act, one, size)
        return state

    def is_paused(self, uuid: str) -> bool:
        """Return whether a pause lasts in which a failed request for the instance is not repeated.

        The pause begins with the request. It ends early if the request is admitted, or if it is
        refused because another operation came between.
        """
        return self._attempts.is_paused(uuid)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget the results of requests, and the pauses, of all instances except ``uuids``."""
        self._attempts.forget_others(uuids)
        with self._lock:
            self._ended = {uuid: one for uuid, one in self._ended.items() if uuid in uuids}

    def close(self) -> None:
        """Begin no more requests, because nova-compute is stopping.

        Return at once, also while requests are going on.
        """
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _act(self, one: ManagedInstance, size: Size) -> None:
        ended = None
        try:
            admission = self._actor.act(one, size)
            ended = _Ended(one, size)
            self._members.admitted(one, size, admission.generation)
            self._attempts.forget(one.uuid)
            if not admission.nothing_to_do:
                self._meter.scaled(grows=ended.grows)
        except Refused as refusal:
            ended = _Ended(one, size, refusal)
            # The record may have changed since it was read.
            self._members.read_again(one.uuid)
            if isinstance(refusal, InvalidState):
                # Another operation came between; the next round decides anew, without a pause.
                self._attempts.forget(one.uuid)
            LOG.info("Instance %s: automatic growth was refused: %s", one.uuid, refusal)
        except DomainError as error:
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
                if ended is not None:
                    self._ended[one.uuid] = ended


def _after(ended: _Ended, state: GuestState) -> GuestState:
    """Return ``state`` with the result of a request that has ended.

    A refused request for growth gets a deferral (``refusal``). If a request to shrink was refused
    because a resource cannot be adjusted, the resource does not shrink again before the guest's
    next start (``refused``).
    """
    if ended.refusal is None:
        return replace(state, refusal=None, refused_size=None)
    state = replace(state, refused_size=ended.size)
    if ended.grows:
        return replace(state, refusal=of_refusal(ended.refusal))
    if isinstance(ended.refusal, Blocked):
        size, desired = ended.size, ended.one.view.desired.target
        smaller = {VCPUS: size.vcpus < desired.vcpus, MEMORY: size.memory_mb < desired.memory_mb}
        code = ended.refusal.reason_code
        codes = {name: code for name, is_smaller in smaller.items() if is_smaller}
        return replace(state, refused={**state.refused, **codes})
    return state


def _like(one: ManagedInstance, state: GuestState, size: Size) -> object:
    """Return the kind of a request: a value that is equal for requests of the same kind.

    After a refusal only requests of the same kind wait. A request for more than was refused is of
    the same kind, because needs differ a little in each round. One for less of a resource is of
    another kind, because it may be admitted. So is every request after another change of the
    record, or another start of the guest.
    """
    boot_id = None if state.sample is None else state.sample.boot_id
    is_less = state.refused_size is not None and not size.covers(state.refused_size)
    grows = not one.view.desired.target.covers(size)
    return one.view.desired.generation, boot_id, grows, size if is_less else None
