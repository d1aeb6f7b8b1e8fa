# SPDX-License-Identifier: Apache-2.0
"""The adapter of the ``Claims`` port, which reads and writes allocations in Placement.

The module also has the Placement client with a timeout that the adapter uses, and a probe that
finds out whether Placement answers.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from keystoneauth1.session import NoOpSemaphore
from nova import exception
from nova.scheduler.client import report

from nova_xloud.adapters.answers import error_of, in_words
from nova_xloud.compute.liveness import PROBE_SECONDS, LivenessProbe
from nova_xloud.compute.ports import Claims, Reservation
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import NoAllocation, PlacementUnavailable, Refused

LOG = logging.getLogger(__name__)

# Seconds after an answer of Placement during which it counts as answering.
_LATELY = 5.0


def with_timeout(reportclient: Any, seconds: float) -> TimedClient:
    """Return a Placement client like Nova's own whose requests time out; it can only GET and PUT.

    The client shares the session of ``reportclient``, and with it the token and the connections.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    :param seconds: the timeout of each request
    """
    return TimedClient(adapter=_EndsInTime(reportclient._client, seconds))


class _EndsInTime:
    """A keystoneauth adapter reduced to ``get`` and ``put``, with a timeout for each request.

    The adapter's own ``rate_semaphore`` is not used. It limits nothing, but with a clock that was
    set back each request would wait until the clock shows the time when the adapter was made
    (keystoneauth1 5.6 to 5.18).
    """

    def __init__(self, adapter: Any, seconds: float) -> None:
        self._adapter = adapter
        self._options = {"timeout": seconds, "rate_semaphore": NoOpSemaphore()}

    def get(self, url: str, **kwargs: Any) -> Any:
        return self._adapter.get(url, **self._options, **kwargs)

    def put(self, url: str, **kwargs: Any) -> Any:
        return self._adapter.put(url, **self._options, **kwargs)


class TimedClient(report.SchedulerReportClient):  # type: ignore[misc]
    """Nova's Placement client, which also records when Placement last answered.

    :ivar answered: when the last request ended, in monotonic seconds, also if it failed at once,
        such as by a refused connection. Minus infinity before the first request, and if the last
        one timed out
    """

    def __init__(self, adapter: Any) -> None:
        super().__init__(adapter=adapter)
        self.answered = -math.inf

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Send a GET as Nova's client does, and record in :attr:`answered` when it was answered.

        :raises keystoneauth1.exceptions.ConnectTimeout: Placement did not answer in time
        :raises keystoneauth1.exceptions.ClientException: the request failed in another way
        """
        return self._in_time(super().get, *args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> Any:
        """Send a PUT as Nova's client does, and record in :attr:`answered` when it was answered.

        :raises keystoneauth1.exceptions.ConnectTimeout: Placement did not answer in time
        :raises keystoneauth1.exceptions.ClientException: the request failed in another way
        """
        return self._in_time(super().put, *args, **kwargs)

    def _in_time(self, ask: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            answer = ask(*args, **kwargs)
        except ks_exc.ConnectTimeout:
            self.answered = -math.inf
            raise
        except ks_exc.ClientException:
            # A Placement that refuses connections fails at once: nobody has to wait for it.
            self.answered = time.monotonic()
            raise
        self.answered = time.monotonic()
        return answer


class PlacementProbe:
    """Finds out whether Placement answers, without waiting for long if Placement hangs.

    Use the probe before the lock of an instance is taken. If Placement hangs, a call to Placement
    under the lock would keep users' operations on the instance waiting.

    :param client: the result of :func:`with_timeout`
    """

    def __init__(self, client: TimedClient) -> None:
        self._client = client
        self._probe = LivenessProbe(
            lambda _: LOG.warning(
                "Placement has not answered for more than %g s. Until it answers, new adjustments "
                "are refused and admitted ones wait.",
                PROBE_SECONDS,
            )
        )

    def answers(self, within: float) -> bool:
        """Return whether Placement answered in the last 5 s, or answers within ``within`` seconds.

        Any error but a timeout counts as an answer, because a call that fails at once keeps nobody
        waiting. A warning is logged if a request of the probe goes on for more than 10 s.
        """
        if self._has_answered():
            return True
        # The root URL lists the versions; Placement answers it without a query to its database.
        asked = self._probe.answers("", lambda: self._client.get("/"), within)
        return asked and self._has_answered()

    def _has_answered(self) -> bool:
        return time.monotonic() - self._client.answered < _LATELY


class CurrentClaims:
    """The ``Claims`` port of an instance whose flavor, image or node may change between two calls.

    A run may be queued for minutes, and a resize or a rebuild may come before it. So each method
    gets a port from ``now``, and calls the method of the same name of that port.

    :param now: makes the port from what was last read of the instance. It raises
        :class:`nova_xloud.errors.NotFound` if the instance has left this host, and so does each
        method here
    """

    def __init__(self, now: Callable[[], Claims]) -> None:
        self._now = now

    def read(self) -> Reservation:
        """Read the allocation from Placement; see :meth:`nova_xloud.compute.ports.Claims.read`."""
        return self._now().read()

    def check(self, current: Reservation, size: Size) -> None:
        """Raise if the host has no room for changing the allocation to ``size``.

        See :meth:`nova_xloud.compute.ports.Claims.check`.
        """
        self._now().check(current, size)

    def write(self, current: Reservation, size: Size) -> Reservation:
        """Change the allocation to ``size``, if it is still as ``current``; return the new one.

        See :meth:`nova_xloud.compute.ports.Claims.write`.
        """
        return self._now().write(current, size)


class PlacementClaims:
    """The allocation of one instance on one compute node, read and written in Placement.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    :param provider: the UUID of the compute node's resource provider
    :param facts: the facts of the instance's flavor and image, by which a size is converted into
        amounts of ``VCPU``, ``PCPU`` and ``MEMORY_MB``
    """

    def __init__(
        self,
        reportclient: Any,
        context: Any,
        instance_uuid: str,
        provider: str,
        facts: FlavorFacts,
    ) -> None:
        self._client = reportclient
        self._context = context
        self._consumer = instance_uuid
        self._provider = provider
        self._facts = facts

    def read(self) -> Reservation:
        """Read the allocation from Placement.

        An amount that is not allocated on the compute node is 0. But a resource that the flavor
        fixes by resource class (``resources:VCPU``) always has the flavor's number.

        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        """
        try:
            body = self._client.get_allocs_for_consumer(self._context, self._consumer)
        except (
            ks_exc.ClientException,
            exception.ConsumerAllocationRetrievalFailed,
            # A proxy between nova-compute and Placement answered, and not with JSON.
            ValueError,
        ) as error:
            raise PlacementUnavailable(
                f"Placement did not return the allocation of instance {self._consumer}: {error}"
            ) from error
        return Reservation(self._size(body), body)

    def write(self, current: Reservation, size: Size) -> Reservation:
        """Change the allocation to ``size``, if it is still as ``current``; return the new one.

        Allocations of other resource classes and other providers stay as they are in ``current``.

        :raises ClaimConflict: Placement reports that somebody else has changed the allocation, or
            is changing the provider
        :raises NoCapacity: Placement refuses ``size``, which has more vCPUs or more memory than
            ``current``
        :raises ClaimRefused: Placement refuses ``size`` though it is no more than ``current``, or
            answers 400 or 404
        :raises NoAllocation: ``current`` has no allocation on the compute node
        :raises PlacementUnavailable: Placement could not be asked, or answered with another error.
            After a timeout the allocation may have been changed all the same
        """
        self._check_allocated(current)
        body = copy.deepcopy(current.body)
        mine = body["allocations"][self._provider]
        mine["resources"] = allocation.resized(mine["resources"], size, self._facts)
        for provider_allocation in body["allocations"].values():
            # Placement only reports the generations of the providers; a write needs none.
            provider_allocation.pop("generation", None)
        try:
            # Not put_allocations(): it returns a bare False for a full host, without the reason.
            answer = self._client._put_allocations(self._context, self._consumer, body)
        except ks_exc.ClientException as error:
            raise PlacementUnavailable(
                f"Placement did not confirm the new allocation, which may have been written: "
                f"{error}"
            ) from error
        if answer.status_code == 204:
            # Placement increments the consumer generation by one. Should that ever be wrong, the
            # next write conflicts, and the caller reads again.
            if body["consumer_generation"] is not None:
                body["consumer_generation"] += 1
            return Reservation(size, body)
        raise error_of(
            answer,
            lambda words: self._refusal(
                words, mine["resources"], is_release=current.size.covers(size)
            ),
        )

    def _size(self, body: dict[str, Any]) -> Size:
        return allocation.allocated_size(self._allocated(body), self._facts)

    def _allocated(self, body: dict[str, Any]) -> dict[str, int]:
        mine: dict[str, int] = body["allocations"].get(self._provider, {}).get("resources", {})
        return mine

    def _check_allocated(self, current: Reservation) -> None:
        if self._provider not in current.body["allocations"]:
            raise NoAllocation(
                "Placement has no allocation for the instance on this host: the instance is being "
                "moved, or the allocation is lost and nova-manage placement heal_allocations has "
                "to restore it"
            )

    def check(self, current: Reservation, size: Size) -> None:
        """Raise if the host has no room now for changing the allocation to ``size``.

        This compares ``size`` with the inventories and usages that Placement has, and changes
        nothing. It does not check that ``current`` is still what Placement has allocated.

        :raises NoCapacity: the host has no room for ``size``, or its inventory does not allow it
        :raises NoAllocation: ``current`` has no allocation on this host
        :raises PlacementUnavailable: Placement did not return the inventories or usages
        """
        self._check_allocated(current)
        held = self._allocated(current.body)
        asked = allocation.resized(held, size, self._facts)
        try:
            amounts = self._judged(asked, held)
        except (ks_exc.ClientException, ValueError) as error:
            raise PlacementUnavailable(
                f"Placement did not return the inventories and usages of the host: {error}"
            ) from error
        # A class of which no more is asked for than is held is refused by Placement before 14.0
        # only, and only if the host is more than full. The version of Placement is not known here.
        if any(
            one.fault and not (one.has_too_little and one.asked <= held.get(one.name, 0))
            for one in amounts
        ):
            raise allocation.refusal_of("", amounts, is_release=False)

    def _refusal(self, words: str, asked: dict[str, int], *, is_release: bool) -> Refused:
        """Return the error for amounts that Placement refused, with what is free of each now.

        If what is free cannot be read from Placement, the message has Placement's own words.

        :param words: Placement's own message
        :param asked: the amounts that Placement refused, by resource class
        :param is_release: whether neither more vCPUs nor more memory were asked for than were
            allocated
        :returns: ``ClaimRefused`` if ``is_release``, else ``NoCapacity``
        """
        try:
            amounts = self._judged(asked, self._allocated(self.read().body))
        except (ks_exc.ClientException, ValueError, PlacementUnavailable) as error:
            why = f"{words}; the free amounts are not known: {error}"
            return allocation.refusal_of(why, (), is_release=is_release)
        return allocation.refusal_of(words, amounts, is_release=is_release)

    def _judged(self, asked: dict[str, int], held: dict[str, int]) -> list[allocation.Judged]:
        inventories, usages = self._ask("inventories"), self._ask("usages")
        return list(allocation.judged(asked, held, inventories, usages))

    def _ask(self, what: str) -> dict[str, Any]:
        """Return the inventories or the usages of the compute node, by resource class.

        :param what: ``inventories`` or ``usages``
        :raises ValueError: Placement answered with an error, or not with JSON
        :raises keystoneauth1.exceptions.ClientException: Placement could not be reached
        """
        answer = self._client.get(
            f"/resource_providers/{self._provider}/{what}",
            version="1.29",
            global_request_id=self._context.global_id,
        )
        if not answer:
            raise ValueError(
                f"the request for the {what} of the host was answered with {answer.status_code}: "
                f"{in_words(answer)}"
            )
        found: dict[str, Any] = answer.json()[what]
        return found
