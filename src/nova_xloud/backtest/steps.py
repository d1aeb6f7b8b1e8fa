# SPDX-License-Identifier: Apache-2.0
"""The sizes that a machine had, and the changes that a policy has decided.

There may be millions of them, so they are kept compactly.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload


@dataclass(frozen=True, slots=True)
class Step:
    """A size that a machine has from a moment on.

    :ivar at: from when, seconds
    :ivar vcpus: vCPUs
    :ivar memory_mb: memory, MiB
    """

    at: float
    vcpus: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change of size that a policy has decided.

    :ivar at: when it was decided, seconds
    :ivar vcpus: vCPUs more; negative: fewer
    :ivar memory_mb: MiB more; negative: less
    """

    at: float
    vcpus: int
    memory_mb: int


Item = TypeVar("Item", Step, Change)


class Compact(Sequence[Item], Generic[Item]):
    """A sequence of steps or of changes in the order of time, which takes 24 bytes for each.

    :param kind: the class of its items: ``Step`` or ``Change``
    """

    __slots__ = ("_at", "_kind", "_memory_mb", "_vcpus")

    def __init__(self, kind: Callable[[float, int, int], Item]) -> None:
        self._kind: Callable[[float, int, int], Item] = kind
        self._at = array("d")
        self._vcpus = array("q")
        self._memory_mb = array("q")

    def append(self, at: float, vcpus: int, memory_mb: int) -> None:
        """Add an item of these values, which must not be earlier than the last one."""
        self._at.append(at)
        self._vcpus.append(vcpus)
        self._memory_mb.append(memory_mb)

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Item]:
        return map(self._kind, self._at, self._vcpus, self._memory_mb)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return tuple(self)[index]
        return self._kind(self._at[index], self._vcpus[index], self._memory_mb[index])
