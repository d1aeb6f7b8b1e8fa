# SPDX-License-Identifier: Apache-2.0
"""The answers of the API as typed objects.

Members that only a later version of the API knows are in ``body`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nova_xloud.core.instance.conditions import CONVERGED
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.size import Observed, Size


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An adjustment that was admitted.

    :ivar server_id: the server's ID
    :ivar vcpus: the number that was asked for; None: left as it was
    :ivar memory_mb: the memory that was asked for, MiB; None: left as it was
    :ivar persist: whether the size is kept when the server is stopped and started
    :ivar request_id: the id of the request, by which Nova finds the instance action of the
        adjustment; empty if unknown
    """

    server_id: str
    vcpus: int | None
    memory_mb: int | None
    persist: bool
    request_id: str

    def is_of(self, desired: Size) -> bool:
        """Return whether ``desired`` has the sizes that this adjustment asked for."""
        return self.vcpus in (None, desired.vcpus) and self.memory_mb in (None, desired.memory_mb)

    def __str__(self) -> str:
        vcpus = f"{self.vcpus} vCPUs" if self.vcpus is not None else ""
        memory = f"{self.memory_mb} MiB" if self.memory_mb is not None else ""
        return ", ".join(filter(None, (vcpus, memory)))


@dataclass(frozen=True, slots=True)
class FourNumbers:
    """The four sizes of a server, each with vCPUs and memory.

    :ivar desired: the size that was asked for last and admitted; the boot size if none was
    :ivar reserved: the size that Placement has allocated
    :ivar actuated: the size that QEMU was set to; 0 and 0 if the server does not run; None:
        unknown, because the compute host is down
    :ivar observed: the size that the guest was seen to have. A resource is None if it is unknown:
        vCPUs if the guest has no agent, memory if the balloon driver does not report, both while
        the compute host is down
    """

    desired: Size
    reserved: Size
    actuated: Size | None
    observed: Observed


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a resource cannot be adjusted; ``resource`` is ``vcpus`` or ``memory_mb``."""

    resource: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """The sizes, bounds and conditions of a server.

    :ivar current: the size of the guest; if the server does not run, or the compute host did not
        answer, the size that it will start with
    :ivar minimum: the smallest size that may be asked for
    :ivar maximum: the size of the flavor
    :ivar numbers: the four sizes
    :ivar vcpu_step: the number of vCPUs has to be a multiple of this
    :ivar generation: how many adjustments were admitted that changed the desired size
    :ivar conditions: ``Converged``, and the other conditions while they are true
    :ivar blockers: why a resource cannot be adjusted; empty if both can
    :ivar from_host: False: the compute host is down or did not answer, and this is from Nova's
        database
    :ivar body: ``xloud_status`` as it was answered
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

    @staticmethod
    def from_body(server_id: str, body: Mapping[str, Any]) -> Status:
        """Return the status with the members of ``body``, the ``xloud_status`` of an answer."""
        return Status(
            server_id=server_id,
            current=Size(body["current_vcpus"], body["current_memory_mb"]),
            minimum=Size(body["min_vcpus"], body["min_memory_mb"]),
            maximum=Size(body["max_vcpus"], body["max_memory_mb"]),
            numbers=_numbers(body["vcpus"], body["memory_mb"]),
            vcpu_step=body["vcpu_step"],
            generation=body["generation"],
            conditions=tuple(_condition(told) for told in body["conditions"]),
            blockers=_blockers(body),
            from_host=body["source"] == "host",
            body=body,
        )

    @property
    def running(self) -> bool | None:
        """Whether the guest runs; None: unknown, because the compute host is down."""
        actuated = self.numbers.actuated
        return None if actuated is None else actuated.vcpus > 0

    @property
    def converged(self) -> bool:
        """Whether the condition ``Converged`` is true.

        It is if the guest has the desired size, and also if the server does not run and will start
        with that size.
        """
        found = self.condition(CONVERGED)
        return found is not None and found.status

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of the type ``kind``; None if the server does not have it."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason codes of all that is not as it should be, each once.

        They are that of ``Converged`` if it is false, and those of all other conditions that are
        true.
        """
        wrong = [one for one in self.conditions if one.status is not (one.type == CONVERGED)]
        return tuple(dict.fromkeys(one.reason for one in wrong))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an adjustment would be refused, by its dry run: a stable code, and a text for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an adjustment would do, as its dry run answers.

    :ivar admitted: whether the adjustment would be admitted; if not, ``refusal`` says why
    :ivar desired: the size that would be desired; None if the adjustment is refused before that
        is known
    :ivar claim: what Placement would have allocated during the adjustment; None if the adjustment
        is refused before that is known
    :ivar steps: in order, each a mapping with ``step``, its name, and the values of that step. If
        the size would not be reached, the last one is the reason
    :ivar blockers: why a resource cannot be adjusted; empty if both can
    :ivar body: ``plan`` as it was answered
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
        """Return the plan with the members of ``body``, the ``plan`` of an answer."""
        refusal = body["refusal"]
        return Plan(
            server_id=server_id,
            admitted=body["admitted"],
            refusal=Refusal(refusal["code"], refusal["message"]) if refusal else None,
            desired=_size(body["desired"]),
            claim=_size(body["claim"]),
            steps=tuple(body["steps"]),
            blockers=_blockers(body),
            body=body,
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A server of a list, with its status or the error with which reading it failed.

    :ivar server: a server object of openstacksdk
    """

    server: Any
    status: Status | None
    error: Exception | None = None


def _size(told: Mapping[str, int] | None) -> Size | None:
    return None if told is None else Size(told["vcpus"], told["memory_mb"])


def _numbers(vcpus: Mapping[str, Any], memory_mb: Mapping[str, Any]) -> FourNumbers:
    known = None not in (vcpus["actuated"], memory_mb["actuated"])
    return FourNumbers(
        desired=Size(vcpus["desired"], memory_mb["desired"]),
        reserved=Size(vcpus["reserved"], memory_mb["reserved"]),
        actuated=Size(vcpus["actuated"], memory_mb["actuated"]) if known else None,
        observed=Observed(vcpus["observed"], memory_mb["observed"]),
    )


def _condition(told: Mapping[str, Any]) -> Condition:
    return Condition(told["type"], told["status"], told["reason"], told["message"], told["since"])


def _blockers(body: Mapping[str, Any]) -> tuple[Blocker, ...]:
    return tuple(Blocker(b["resource"], b["code"], b["message"]) for b in body["blockers"])
