# SPDX-License-Identifier: Apache-2.0
"""What is recommended for an instance, and why."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.size import Size


@dataclass(frozen=True, slots=True)
class Advice:
    """What is recommended for one resource: vCPUs (a count) or memory (MiB).

    :ivar wanted: the recommended value, within the range; the desired value, in the range or not,
        if there is no reason to change it
    :ivar need: what the guest was last seen to need: cores, or MiB; None if that is not known
    :ivar floor: the guest is not shrunk below this: the largest of what fits its highest need of
        the profile's window, what a wrong shrink has taught, what a person has asked for and, of
        memory, the highest need that was projected in the window; None if not known yet
    :ivar code: stable reason code, such as ``grow.usable_low``, ``shrink.window`` or ``hold.stale``
    :ivar reason: for people, one sentence with the figures
    :ivar votes: the codes of all that speaks for growth
    :ivar vetoes: the codes of all that speaks against shrinking
    """

    wanted: int
    need: float | None
    floor: int | None
    code: str
    reason: str
    votes: tuple[str, ...] = ()
    vetoes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What is recommended for an instance.

    :ivar at: when it was decided, in seconds since the epoch
    :ivar vcpus: what is recommended for its vCPUs
    :ivar memory_mb: what is recommended for its memory
    :ivar is_urgent: whether the guest shows distress for want of memory, and not only a need for
        more. vCPUs that are busy all the time are not urgent
    """

    at: float
    vcpus: Advice
    memory_mb: Advice
    is_urgent: bool = False

    @property
    def size(self) -> Size:
        """The recommended size."""
        return Size(self.vcpus.wanted, self.memory_mb.wanted)
