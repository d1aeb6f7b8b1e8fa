# SPDX-License-Identifier: Apache-2.0
"""The answers of the API as typed objects.

Some members of an answer have no attribute here, such as those that a later version of the API may
have. They are in the ``body`` of a :class:`Status` or a :class:`Plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nova_xloud.client.values import integer, integer_or_none, size, text, text_or_none, truth
from nova_xloud.core.instance.conditions import CONVERGED
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.size import Observed, Size, of_vcpus

# From Nova's database, Converged has this reason only if the database of the cell does not answer.
_CELL_IS_DOWN = "xloud.host_unavailable"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An adjustment that was admitted.

    :ivar server_id: the server's ID
    :ivar vcpus: the number of vCPUs that was asked for; None: left as it was
    :ivar memory_mb: the memory that was asked for, MiB; None: left as it was
    :ivar persist: whether the size is kept when the server is stopped and started
    :ivar request_id: the id of the request; empty if unknown. The instance action of the adjustment
        has the same id; if there was nothing to do, there is no instance action
    :ivar autoscale: the mode of automatic growth that was asked for, or ``flavor``; None: left as
        it was
    """

    server_id: str
    vcpus: int | None
    memory_mb: int | None
    persist: bool
    request_id: str
    autoscale: str | None = None

    def is_of(self, desired: Size) -> bool:
        """Return whether ``desired`` has the vCPUs and memory that this adjustment asked for.

        A resource that the adjustment left as it was may have any size.
        """
        return self.vcpus in (None, desired.vcpus) and self.memory_mb in (None, desired.memory_mb)

    def __str__(self) -> str:
        vcpus = of_vcpus(self.vcpus) if self.vcpus is not None else ""
        memory = f"{self.memory_mb} MiB" if self.memory_mb is not None else ""
        mode = f"autoscale {self.autoscale}" if self.autoscale is not None else ""
        return ", ".join(filter(None, (vcpus, memory, mode)))


@dataclass(frozen=True, slots=True)
class FourNumbers:
    """The four sizes of a server, each with vCPUs and memory.

    If ``Status.from_host`` is False, the sizes are from Nova's database: ``actuated`` and both
    numbers of ``observed`` are None then.

    :ivar desired: the size that was asked for last and admitted; the boot size if none was asked
        for; the size that the guest kept, after nova-xloud gave up
    :ivar reserved: the size that Placement has allocated; from the database, the size in the
        instance's columns, or 0 and 0 if the server is on no host
    :ivar actuated: the size that QEMU has; 0 and 0 if the server does not run
    :ivar observed: the size that the guest was seen to have; 0 and 0 if the server does not run.
        vCPUs are None without an answer of the guest agent, and memory is None if it is not known
    """

    desired: Size
    reserved: Size
    actuated: Size | None
    observed: Observed


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a resource of a server cannot be adjusted, or not in every way.

    :ivar resource: ``vcpus`` or ``memory_mb``
    :ivar code: stable reason code, ``xloud.blocked.<why>``
    :ivar message: the reason, for people
    """

    resource: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Autoscale:
    """How a server is scaled automatically.

    The last four are known to the compute host only, and only if the mode is not ``off``.

    :ivar mode: ``off``; ``observe``: sizes are recommended and nothing is changed; or ``on``
    :ivar requested: the mode that was requested for the server; None if none was, so that the mode
        is the flavor's or, if the flavor names none, the cloud's
    :ivar profile: for how long the server does not shrink below what its guest has needed:
        ``dense`` (an hour), ``balanced`` (six hours) or ``careful`` (a day)
    :ivar weight: 1 to 1000: a server with a larger weight gets more when its host is full, and
        gives less
    :ivar recommendation: the size that the server should have; None if none is recommended: the
        guest does not run, or has no figures yet, or the server's compute host was not asked
    :ivar reasons: why that size is recommended: for each resource a mapping with ``resource``,
        ``code`` and ``message``; empty without a recommendation
    :ivar since: since when the recommended size is the same: ISO 8601, UTC; None without a
        recommendation
    :ivar age_seconds: how old the guest's figures are, in whole seconds; of those of vCPUs and of
        memory the older; None without any figures
    """

    mode: str
    requested: str | None
    profile: str
    weight: int
    recommendation: Size | None
    reasons: tuple[Mapping[str, str], ...]
    since: str | None
    age_seconds: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """The sizes, bounds and conditions of a server.

    :ivar current: the size that the server is to have: an adjustment that names no other leaves it.
        If the server does not run, the size that it will start with
    :ivar minimum: the smallest size that may be asked for
    :ivar maximum: the size of the flavor
    :ivar numbers: the four sizes
    :ivar vcpu_step: the number of vCPUs has to be a multiple of this
    :ivar generation: a counter of admitted adjustments; an adjustment to what is desired already
        does not count
    :ivar conditions: ``Converged``, and the other conditions while they are true
    :ivar blockers: why a resource cannot be adjusted, or not in every way; empty if both can
    :ivar from_host: True if the status is from the compute host. False if it is from Nova's
        database: the host is down, does not answer or cannot read the guest, Placement does not
        answer the host, or the server is on no host
    :ivar body: the whole ``xloud_status`` of the answer
    :ivar autoscale: how the server is scaled automatically; None if the API is too old to say
    """

    server_id: str
    current: Size
    minimum: Size
    maximum: Size
    numbers: FourNumbers
    vcpu_step: int
    generation: int
    conditions: tuple[Condition, ...]
    blockers: tuple[Blocker, ...]
    from_host: bool
    body: Mapping[str, Any]
    autoscale: Autoscale | None = None

    @staticmethod
    def from_body(server_id: str, body: Mapping[str, Any]) -> Status:
        """Return the status that ``body``, the ``xloud_status`` of an answer, describes."""
        return Status(
            server_id=server_id,
            current=size(body["current_vcpus"], body["current_memory_mb"]),
            minimum=size(body["min_vcpus"], body["min_memory_mb"]),
            maximum=size(body["max_vcpus"], body["max_memory_mb"]),
            numbers=_numbers(body["vcpus"], body["memory_mb"]),
            vcpu_step=integer(body["vcpu_step"]),
            generation=integer(body["generation"]),
            conditions=conditions_of(body),
            blockers=_blockers(body),
            from_host=body["source"] == "host",
            body=body,
            autoscale=autoscale_of(body),
        )

    @property
    def is_in_part(self) -> bool:
        """Whether only the server's flavor is known.

        Nova's database of the server's cell does not answer then: the sizes are what the flavor
        boots with and 0, the generation is 0, and the message of ``Converged`` says why.
        """
        found = self.condition(CONVERGED)
        return not self.from_host and found is not None and found.reason == _CELL_IS_DOWN

    @property
    def recommends_change(self) -> bool:
        """Whether automatic growth recommends another size than is desired.

        False also if no size is recommended.
        """
        told = self.autoscale
        return told is not None and told.recommendation not in (None, self.numbers.desired)

    @property
    def running(self) -> bool | None:
        """Whether the guest runs; None if the status is from Nova's database.

        A paused guest runs too.
        """
        actuated = self.numbers.actuated
        return None if actuated is None else actuated.vcpus > 0

    @property
    def converged(self) -> bool:
        """Whether the condition ``Converged`` is true.

        The condition is true if the desired size was reached, and the guest still has it or does
        not run. If the status is from Nova's database, the condition follows from what was recorded
        there last.
        """
        found = self.condition(CONVERGED)
        return found is not None and found.status

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of the type ``kind``; None if the status does not have it."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason codes of all that is not as it should be, each once.

        That is the reason of ``Converged`` if this condition is false, and the reason of every
        other condition that is true.
        """
        return reasons_of(self.conditions)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an adjustment would be refused, as its dry run answers.

    :ivar code: stable reason code, such as ``xloud.no_capacity``
    :ivar message: the reason, for people
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an adjustment would do, as its dry run answers.

    :ivar admitted: whether the adjustment would be admitted; if not, ``refusal`` says why
    :ivar refusal: None if the adjustment would be admitted
    :ivar desired: the size that would be desired; None if the adjustment would be refused before
        that is known
    :ivar claim: the size that Placement would have allocated during the adjustment; None if the
        adjustment would be refused before that is known
    :ivar steps: the steps in order; empty if there is nothing to do, or if ``desired`` is None.
        Each is a mapping with ``step``, the name of the step, and the values of the step. If the
        size would not be reached, the last step has the reason
    :ivar blockers: why a resource cannot be adjusted, or not in every way; empty if both can
    :ivar body: the whole ``plan`` of the answer
    """

    server_id: str
    admitted: bool
    refusal: Refusal | None
    desired: Size | None
    claim: Size | None
    steps: tuple[Mapping[str, Any], ...]
    blockers: tuple[Blocker, ...]
    body: Mapping[str, Any]

    @staticmethod
    def from_body(server_id: str, body: Mapping[str, Any]) -> Plan:
        """Return the plan that ``body``, the ``plan`` of an answer, describes."""
        refusal = body["refusal"]
        return Plan(
            server_id=server_id,
            admitted=truth(body["admitted"]),
            refusal=Refusal(text(refusal["code"]), text(refusal["message"])) if refusal else None,
            desired=_size(body["desired"]),
            claim=_size(body["claim"]),
            steps=tuple({**step, "step": text(step["step"])} for step in body["steps"]),
            blockers=_blockers(body),
            body=body,
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A server of a list, with its status, or with the error if the status cannot be read.

    :ivar server: a server object of openstacksdk
    :ivar status: the server's status; None if it cannot be read
    :ivar error: why the status cannot be read; None if it was read
    """

    server: Any
    status: Status | None
    error: Exception | None = None


def reasons_of(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """Return the reason codes of all that is not as it should be, each once.

    See :attr:`Status.reasons`.
    """
    wrong = [one for one in conditions if one.status is not (one.type == CONVERGED)]
    return tuple(dict.fromkeys(one.reason for one in wrong))


def _size(told: Mapping[str, int] | None) -> Size | None:
    return None if told is None else size(told["vcpus"], told["memory_mb"])


def autoscale_of(body: Mapping[str, Any]) -> Autoscale | None:
    """Return the ``autoscale`` of an answer; None if the answer has none."""
    told = body.get("autoscale")
    if told is None:
        return None
    return Autoscale(
        mode=text(told["mode"]),
        requested=text_or_none(told["requested"]),
        profile=text(told["profile"]),
        weight=integer(told["weight"]),
        recommendation=_size(told["recommendation"]),
        reasons=tuple(
            {name: text(one[name]) for name in ("resource", "code", "message")}
            for one in told["reasons"]
        ),
        since=text_or_none(told["since"]),
        age_seconds=integer_or_none(told["age_seconds"]),
    )


def _numbers(vcpus: Mapping[str, Any], memory_mb: Mapping[str, Any]) -> FourNumbers:
    known = None not in (vcpus["actuated"], memory_mb["actuated"])
    return FourNumbers(
        desired=size(vcpus["desired"], memory_mb["desired"]),
        reserved=size(vcpus["reserved"], memory_mb["reserved"]),
        actuated=size(vcpus["actuated"], memory_mb["actuated"]) if known else None,
        observed=Observed(
            integer_or_none(vcpus["observed"]), integer_or_none(memory_mb["observed"])
        ),
    )


def conditions_of(body: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Return the ``conditions`` of an answer."""
    return tuple(
        Condition(
            text(told["type"]),
            truth(told["status"]),
            *(text(told[name]) for name in ("reason", "message", "since")),
        )
        for told in body["conditions"]
    )


def _blockers(body: Mapping[str, Any]) -> tuple[Blocker, ...]:
    return tuple(
        Blocker(*(text(told[name]) for name in ("resource", "code", "message")))
        for told in body["blockers"]
    )
