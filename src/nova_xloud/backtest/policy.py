# SPDX-License-Identifier: Apache-2.0
"""What a policy sees at a tick, what it answers, and how it is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Host:
    """The size of a host, without what is reserved for the host itself.

    :ivar vcpus: vCPUs that servers can have
    :ivar memory_mb: MiB that servers can have
    """

    vcpus: float
    memory_mb: float


class Seen(NamedTuple):
    """What a policy sees of one machine at a tick.

    ``cpu``, ``load``, ``memory`` and ``cache`` are None, never 0, while they are not known.

    :ivar at: now, seconds
    :ivar elapsed: seconds since the tick before; 0 at the first one
    :ivar vcpus: vCPUs that the machine has; 0 if CPU is not part of the trace
    :ivar memory_mb: memory that the machine has, MiB; 0 if memory is not part of the trace
    :ivar min_vcpus: the fewest vCPUs it may have
    :ivar max_vcpus: the most vCPUs it may have; 0 if CPU is not part of the trace
    :ivar min_memory_mb: the least memory it may have, MiB
    :ivar max_memory_mb: the most memory it may have, MiB
    :ivar cpu: cores used, mean since the tick before; never more than ``vcpus``
    :ivar load: cores wanted, mean since the tick before: what runs and what waits for a CPU
    :ivar memory: memory used, MiB, at ``reported_at``; no more than the machine had then
    :ivar cache: page cache, MiB
    :ivar reported_at: when the guest has last reported, seconds; ``memory``, ``cache``,
        ``swapped_out``, ``swapped_in`` and ``pressure`` are of that time
    :ivar swapped_out: MiB swapped out since the machine's start
    :ivar swapped_in: MiB swapped in since the machine's start
    :ivar pressure: share of the time that tasks have waited for memory, 0 to 1; modelled; 0 also
        while ``memory`` is not known
    :ivar kills: processes killed for want of memory since the machine's start
    :ivar cpu_seconds: CPU time used since the machine's start
    """

    at: float
    elapsed: float
    vcpus: int
    memory_mb: int
    min_vcpus: int
    max_vcpus: int
    min_memory_mb: int
    max_memory_mb: int
    cpu: float | None
    load: float | None
    memory: float | None
    cache: float | None
    reported_at: float
    swapped_out: float
    swapped_in: float
    pressure: float
    kills: int
    cpu_seconds: float


class Wanted(NamedTuple):
    """What a policy wants a machine to have.

    :ivar vcpus: vCPUs
    :ivar memory_mb: memory, MiB
    :ivar again: after so many seconds the policy is asked again even if it would see the same. 0:
        after the time that the model leaves between ticks without news. ``NEVER``: not until it
        would see something else
    """

    vcpus: int
    memory_mb: int
    again: float = NEVER


class Decider(Protocol):
    """Decides what a machine should have. State is passed in and out; nothing is changed."""

    def begin(self) -> Any:
        """Return the state to give to the first :meth:`decide` about a machine."""

    def decide(self, state: Any, seen: Seen) -> tuple[Any, Wanted]:
        """Return the next state, and what the machine should have.

        The caller cuts that to the machine's range.
        """


class Manner(Protocol):
    """How a policy wants to be asked.

    :ivar name: the policy's name on the command line
    :ivar starts_large: whether a machine starts with its maximum, and not with its minimum
    :ivar period: seconds between two ticks of the policy; those of the model if they are longer
    """

    @property
    def name(self) -> str:
        """The policy's name on the command line."""

    @property
    def starts_large(self) -> bool:
        """Whether a machine starts with its maximum, and not with its minimum."""

    @property
    def period(self) -> float:
        """Seconds between two ticks of the policy; those of the model if they are longer."""


class Policy(Decider, Manner, Protocol):
    """A policy that decides each machine for itself."""


class Neighbour(NamedTuple):
    """One of the machines of a host, at a tick of the host.

    :ivar name: the machine's name
    :ivar seen: what is seen of the machine; of an earlier tick if the machine is not asked now
    :ivar is_due: whether the machine is asked now
    :ivar desired_vcpus: vCPUs that it is to have
    :ivar desired_mb: MiB that it is to have
    :ivar held_vcpus: vCPUs that it has; while a change is on its way, the larger of old and new
    :ivar held_mb: MiB that it has; while a change is on its way, the larger of old and new
    """

    name: str
    seen: Seen
    is_due: bool
    desired_vcpus: int
    desired_mb: int
    held_vcpus: int
    held_mb: int


class HostDecider(Protocol):
    """Decides all machines of a host. State is passed in and out; nothing is changed."""

    def begin(self) -> Any:
        """Return the state to give to the first :meth:`decide_all` about a host."""

    def decide_all(
        self, state: Any, host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[Any, tuple[Wanted, ...]]:
        """Return the next state, and what each machine should have, in the same order.

        A machine that is not due is changed only if the result for it differs from its desired
        size.
        """


class HostPolicy(HostDecider, Manner, Protocol):
    """A policy that decides all machines of a host together."""


def cut(wanted: Wanted, seen: Seen) -> Wanted:
    """Return what is wanted, within the range of the machine."""
    vcpus, memory_mb, again = wanted
    if (
        seen.min_vcpus <= vcpus <= seen.max_vcpus
        and seen.min_memory_mb <= memory_mb <= seen.max_memory_mb
    ):
        return wanted
    return Wanted(
        min(max(vcpus, seen.min_vcpus), seen.max_vcpus),
        min(max(memory_mb, seen.min_memory_mb), seen.max_memory_mb),
        again,
    )
