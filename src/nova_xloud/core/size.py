# SPDX-License-Identifier: Apache-2.0
"""The two types for vCPUs with memory: a size, and what a guest was seen to have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """A size of an instance: vCPUs (a count) and memory (MiB)."""

    vcpus: int
    memory_mb: int

    def at_least(self, other: Size) -> Size:
        """Return the size that has the larger vCPUs and the larger memory of this and ``other``."""
        return Size(max(self.vcpus, other.vcpus), max(self.memory_mb, other.memory_mb))

    def at_most(self, other: Size) -> Size:
        """Return the size that has the smaller vCPUs and smaller memory of this and ``other``."""
        return Size(min(self.vcpus, other.vcpus), min(self.memory_mb, other.memory_mb))

    def covers(self, other: Size) -> bool:
        """Return whether this size has at least the vCPUs and the memory of ``other``."""
        return self.vcpus >= other.vcpus and self.memory_mb >= other.memory_mb

    def __str__(self) -> str:
        return f"{of_vcpus(self.vcpus)}, {self.memory_mb} MiB"


def of_vcpus(count: int) -> str:
    """Return a number of vCPUs in words: ``1 vCPU``, ``3 vCPUs``."""
    return f"{count} vCPU" if count == 1 else f"{count} vCPUs"


@dataclass(frozen=True, slots=True)
class Observed:
    """vCPUs and memory (MiB) that a guest was seen to have; None where that is not known."""

    vcpus: int | None
    memory_mb: int | None

    def is_size(self, size: Size) -> bool:
        """Return whether both observed numbers are known and equal those of ``size``."""
        return (self.vcpus, self.memory_mb) == (size.vcpus, size.memory_mb)

    def at_least_known(self, size: Size) -> Size:
        """Return ``size``, with each resource raised to its observed number if that is larger."""
        return size.at_least(Size(self.vcpus or 0, self.memory_mb or 0))
