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
    """What a host has for servers, without what is reserved for the host itself.

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
    :ivar min_vcpus: the fewest vCPUs that the machine may have
    :ivar max_vcpus: the most vCPUs that it may have; 0 if CPU is not part of the trace
    :ivar min_memory_mb: the least memory that it may have, MiB
    :ivar max_memory_mb: the most memory that it may have, MiB; 0 if memory is not part of the trace
    :ivar cpu: cores used, mean since the tick before; never more than ``vcpus``
    :ivar load: cores wanted, mean since the tick before: what runs and what waits for a CPU
    :ivar memory: memory used, MiB, at ``reported_at``; no more than the machine had then
    :ivar cache: page cache, MiB; not part of ``memory``
    :ivar reported_at: when the guest has last reported, seconds; ``memory``, ``cache``,
        ``swapped_out``, ``swapped_in`` and ``pressure`` are of that time
    :ivar swapped_out: MiB swapped out since the machine's start
    :ivar swapped_in: MiB swapped in since the machine's start
    :ivar pressure: share of the time that tasks have waited for memory, 0 to 1; modelled; 0 also
        while ``memory`` is not known
    :ivar kills: processes killed for want of memory since the machine's start
    :ivar cpu_seconds: CPU time used since the machine's start, seconds
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
        after ``Pace.idle`` seconds. ``NEVER``: not until it would see something else
    """

    vcpus: int
    memory_mb: int
    again: float = NEVER


class Decider(Protocol):
    """Decides what a machine should have.

    A decider keeps nothing itself. What it remembers of a machine is the state that it returns and
    is given again at the next tick. No state is ever changed.
    """

    def begin(self) -> Any:
        """Return what the policy remembers of a machine before its first :meth:`decide`."""

    def decide(self, state: Any, seen: Seen) -> tuple[Any, Wanted]:
        """Return what the policy remembers of the machine from now on, and what it should have.

        The caller cuts the size to the machine's range.

        :param state: what the policy remembers of the machine, from the call before
        :param seen: the machine at this tick
        """


class Manner(Protocol):
    """A policy's name, the size with which its machines start, and how often it is asked.

    :ivar name: the policy's name on the command line
    :ivar starts_large: whether a machine starts with its maximum, and not with its minimum
    :ivar period: seconds between two ticks of the policy; the model's ticks count if these are
        further apart
    """

    @property
    def name(self) -> str:
        """The policy's name on the command line."""

    @property
    def starts_large(self) -> bool:
        """Whether a machine starts with its maximum, and not with its minimum."""

    @property
    def period(self) -> float:
        """Seconds between two ticks of the policy.

        The model's ticks count if these are further apart.
        """


class Policy(Decider, Manner, Protocol):
    """A policy that decides each machine for itself."""


class Neighbour(NamedTuple):
    """One of the machines of a host, when some machine of the host has a tick.

    :ivar name: the machine's name
    :ivar seen: what the policy sees of the machine; if the machine is not due, what it saw before
    :ivar is_due: whether this machine has a tick now
    :ivar desired_vcpus: vCPUs of the size that was decided for the machine last
    :ivar desired_mb: MiB of that size
    :ivar held_vcpus: vCPUs that the machine has; during a change, the larger of old and new
    :ivar held_mb: MiB that the machine has; during a change, the larger of old and new
    """

    name: str
    seen: Seen
    is_due: bool
    desired_vcpus: int
    desired_mb: int
    held_vcpus: int
    held_mb: int


class HostDecider(Protocol):
    """Decides what all machines of a host should have.

    A decider keeps nothing itself. What it remembers of the host and its machines is the state that
    it returns and is given again the next time. No state is ever changed.
    """

    def begin(self) -> Any:
        """Return what the policy remembers of a host before its first :meth:`decide_all`."""

    def decide_all(
        self, state: Any, host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[Any, tuple[Wanted, ...]]:
        """Return what the policy remembers from now on, and what each machine should have.

        The answers are in the order of ``machines``. The caller cuts each size to the machine's
        range. A machine that is not due is changed only if its answer differs from its desired
        size and no change of it is on its way.

        :param state: what the policy remembers, from the call before
        :param machines: all machines that are on the host now
        :param at: now, seconds
        """


class HostPolicy(HostDecider, Manner, Protocol):
    """A policy that decides all machines of a host together."""


def cut(wanted: Wanted, seen: Seen) -> Wanted:
    """Return ``wanted`` with its size cut to the range of the machine."""
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
