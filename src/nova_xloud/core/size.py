# SPDX-License-Identifier: Apache-2.0
"""What an instance has, as two numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """vCPUs (a count) and memory (MiB)."""

    vcpus: int
    memory_mb: int

    def at_least(self, other: Size) -> Size:
        """The larger of the two, each resource for itself."""
        return Size(max(self.vcpus, other.vcpus), max(self.memory_mb, other.memory_mb))

    def covers(self, other: Size) -> bool:
        """Whether neither resource of ``other`` is larger than this one's."""
        return self.vcpus >= other.vcpus and self.memory_mb >= other.memory_mb

    def __str__(self) -> str:
        return f"{self.vcpus} vCPUs, {self.memory_mb} MiB"


@dataclass(frozen=True, slots=True)
class Observed:
    """vCPUs and memory (MiB) that a guest was seen to have; None: nobody can tell."""

    vcpus: int | None
    memory_mb: int | None

    def is_size(self, size: Size) -> bool:
        """Whether both are known, and are those of ``size``."""
        return (self.vcpus, self.memory_mb) == (size.vcpus, size.memory_mb)

    def at_least_known(self, size: Size) -> Size:
        """``size``, each resource raised to what was seen of it, if anything was."""
        return size.at_least(Size(self.vcpus or 0, self.memory_mb or 0))
