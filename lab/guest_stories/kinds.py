"""The kinds of guests that have a story: an image of the lab for each."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.cloud import Size

# What every guest boots with.
MINIMUM = Size(1, 512)


@dataclass(frozen=True)
class Kind:
    """One kind of guest.

    :ivar image: the name of the image in :mod:`lab.contents`
    :ivar does: what the guest does, or does not do
    :ivar at_first: the condition that is true once the guest has booted
    :ivar option: an option of ``[xloud]`` and its value, if the story needs another than the lab's
    """

    image: str
    does: str
    at_first: str = "Converged"
    option: tuple[str, int] | None = None


KINDS: Mapping[str, Kind] = {
    "no-driver": Kind("xloud-no-balloon", "has no balloon driver", "BalloonNotEffective"),
    "silent-driver": Kind(
        "xloud-silent-balloon",
        "has a balloon driver that obeys and never reports",
        "BalloonNotEffective",
    ),
    "driver-unloaded": Kind(
        "xloud-unloads-driver", "unloads its balloon driver after it was made smaller"
    ),
    "takes-memory-back": Kind(
        "xloud-takes-back", "takes its memory back, and gives it again 45 s later"
    ),
    "dies-shrinking": Kind("xloud-dies-shrinking", "panics while its memory becomes less"),
    "reboots-shrinking": Kind(
        "xloud-reboots-shrinking",
        "reboots itself while its memory becomes less",
        # On a slow machine it takes longer than the lab's 12 s to boot.
        option=("step_timeout", 60),
    ),
    "paused": Kind("xloud-guest", "is paused for two minutes in the middle of an adjustment"),
    "cpus-offline": Kind("xloud-no-online", "leaves new CPUs offline, and has no agent"),
    "slow-removal": Kind("xloud-slow-removal", "gives a vCPU back after 8 s"),
    "very-slow-removal": Kind(
        "xloud-very-slow-removal",
        "gives a vCPU back after 40 s",
        # A pass within the 40 s would ask again, and without KVM the vCPU comes back then.
        option=("reconcile_interval", 120),
    ),
    "refuses-removal": Kind("xloud-no-removal", "gives no vCPU back"),
    "acpi-off": Kind("xloud-acpi-off", "runs without ACPI, and sees no vCPU come or go"),
    "agent-lies": Kind("xloud-agent-lies", "has an agent that counts one CPU, whatever is true"),
    "agent-hangs": Kind("xloud-agent-hangs", "has an agent that answers the greeting only"),
    "agent-errors": Kind("xloud-agent-errors", "has an agent that answers with errors"),
}
