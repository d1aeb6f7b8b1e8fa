# SPDX-License-Identifier: Apache-2.0
"""The ``Claims`` port, over nova-compute's own Placement client."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from nova import exception
from nova.scheduler.client import report

from nova_xloud.adapters.answers import error_of, in_words
from nova_xloud.compute.liveness import LivenessProbe
from nova_xloud.compute.ports import Claims, Reservation
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import NoAllocation, PlacementUnavailable, Refused

LOG = logging.getLogger(__name__)

# Seconds for which an answer of Placement says that it does not hang.
_LATELY = 5.0


def with_timeout(reportclient: Any, seconds: float) -> TimedClient:
    """A Placement client like Nova's own, of which each call ends after so many seconds.

    It shares that one's session, so its token and its connections.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    """
    return TimedClient(adapter=_EndsInTime(reportclient._client, seconds))


class _EndsInTime:
    """A keystoneauth adapter, as far as Nova's Placement client uses one."""

    def __init__(self, adapter: Any, seconds: float) -> None:
        self._adapter = adapter
        self._seconds = seconds

    def get(self, url: str, **kwargs: Any) -> Any:
        return self._adapter.get(url, timeout=self._seconds, **kwargs)

    def put(self, url: str, **kwargs: Any) -> Any:
        return self._adapter.put(url, timeout=self._seconds, **kwargs)


class TimedClient(report.SchedulerReportClient):  # type: ignore[misc]
    """Remembers when Placement was last known not to hang.

    :ivar answered: when a call ended last that did not run out of time, monotonic seconds
    """

    def __init__(self, adapter: Any) -> None:
        super().__init__(adapter=adapter)
        self.answered = -math.inf

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_time(super().get, *args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_time(super().put, *args, **kwargs)

    def _in_time(self, ask: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            answer = ask(*args, **kwargs)
        except ks_exc.ConnectTimeout:
            self.answered = -math.inf
            raise
        except ks_exc.ClientException:
            # One that cannot be reached says so at once, and keeps nobody waiting.
            self.answered = time.monotonic()
            raise
        self.answered = time.monotonic()
        return answer


class PlacementProbe:
    """Whether Placement answers, found out by who holds no lock of an instance.

    A call under such a lock keeps a user's operation waiting for as long as Placement hangs.

    :param client: of :func:`with_timeout`
    """

    def __init__(self, client: TimedClient) -> None:
        self._client = client
        self._probe = LivenessProbe(lambda _: LOG.warning("Placement does not answer."))

    def answers(self, within: float) -> bool:
        """Whether it has answered lately, or does within so many seconds."""
        if self._has_answered():
            return True
        # Its versions: it tells them without asking its database.
        asked = self._probe.answers("", lambda: self._client.get("/"), within)
        return asked and self._has_answered()

    def _has_answered(self) -> bool:
        return time.monotonic() - self._client.answered < _LATELY


class CurrentClaims:
    """The ``Claims`` port of an instance by the flavor, image and node that it has now.

    A run may be queued for minutes, and a resize or a rebuild come first.

    :param now: the port by the instance's last reading
    """

    def __init__(self, now: Callable[[], Claims]) -> None:
        self._now = now

    def read(self) -> Reservation:
        return self._now().read()

    def check(self, current: Reservation, size: Size) -> None:
        self._now().check(current, size)

    def write(self, current: Reservation, size: Size) -> Reservation:
        return self._now().write(current, size)


class PlacementClaims:
    """The allocation of one instance against one compute node.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    :param provider: the compute node's resource provider UUID
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
        try:
            body = self._client.get_allocs_for_consumer(self._context, self._consumer)
        except (
            ks_exc.ClientException,
            exception.ConsumerAllocationRetrievalFailed,
            # What is between it and Placement answered, and that was no JSON.
            ValueError,
        ) as error:
            raise PlacementUnavailable(
                f"Placement did not say what is allocated to {self._consumer}: {error}"
            ) from error
        return Reservation(self._size(body), body)

    def write(self, current: Reservation, size: Size) -> Reservation:
        if self._provider not in current.body["allocations"]:
            raise NoAllocation(
                "Placement holds nothing for it on this host: it is being moved, or its allocation "
                "is lost (nova-manage placement heal_allocations)"
            )
        body = copy.deepcopy(current.body)
        mine = body["allocations"][self._provider]
        mine["resources"] = allocation.resized(mine["resources"], size, self._facts)
        for provider_allocation in body["allocations"].values():
            # The providers' generations are for readers; Placement refuses nothing by them.
            provider_allocation.pop("generation", None)
        try:
            # Not put_allocations(): it answers a full host with a bare False.
            answer = self._client._put_allocations(self._context, self._consumer, body)
        except ks_exc.ClientException as error:
            raise PlacementUnavailable(f"Placement could not be reached: {error}") from error
        if answer.status_code == 204:
            # Placement counts the consumer's generation up by one. Were that ever wrong, the next
            # write would conflict, and read.
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

    def check(self, current: Reservation, size: Size) -> None:
        held = self._allocated(current.body)
        asked = allocation.resized(held, size, self._facts)
        try:
            amounts = self._judged(asked, held)
        except (ks_exc.ClientException, ValueError) as error:
            raise PlacementUnavailable(f"Placement could not be reached: {error}") from error
        # A class of which no more is asked for is refused by Placement before 14.0 only, and only
        # where the host is more than full; which Placement it is, is not known here.
        if any(
            one.fault and not (one.has_too_little and one.asked <= held.get(one.name, 0))
            for one in amounts
        ):
            raise allocation.refusal_of("", amounts, is_release=False)

    def _refusal(self, words: str, asked: dict[str, int], *, is_release: bool) -> Refused:
        """Why Placement refused the amounts; what is there now is asked for the numbers."""
        try:
            amounts = self._judged(asked, self._allocated(self.read().body))
        except (ks_exc.ClientException, ValueError, PlacementUnavailable) as error:
            why = f"{words}; how much there is, is not known: {error}"
            return allocation.refusal_of(why, (), is_release=is_release)
        return allocation.refusal_of(words, amounts, is_release=is_release)

    def _judged(self, asked: dict[str, int], held: dict[str, int]) -> list[allocation.Judged]:
        inventories, usages = self._ask("inventories"), self._ask("usages")
        return list(allocation.judged(asked, held, inventories, usages))

    def _ask(self, what: str) -> dict[str, Any]:
        """:raises ValueError: Placement does not say"""
        answer = self._client.get(
            f"/resource_providers/{self._provider}/{what}",
            version="1.29",
            global_request_id=self._context.global_id,
        )
        if not answer:
            raise ValueError(f"{what} of the host: {answer.status_code}: {in_words(answer)}")
        found: dict[str, Any] = answer.json()[what]
        return found
