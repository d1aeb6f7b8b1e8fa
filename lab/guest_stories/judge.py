"""What is not as expected of a guest, in plain sentences; pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.witnesses import Size, Witnesses


@dataclass(frozen=True)
class Look:
    """What was read of one server at nearly the same time; None where there is nothing.

    :ivar before: what Placement had allocated before the other two were read
    :ivar libvirt: the size of the running domain
    :ivar guest: the size that the guest has reported last on its console
    :ivar after: what Placement had allocated after the other two were read
    :ivar booting: the guest has just started, and its balloon is still inflating
    """

    before: Size | None
    libvirt: Size | None
    guest: Size | None
    after: Size | None
    booting: bool = False


def too_little(look: Look) -> str:
    """Return a sentence if Placement has less than the guest holds; empty if it has enough.

    More is allocated before a guest gets it, and less after the guest has given it back. So what
    the guest holds is allocated before or after it was read, or both. Memory of a guest that boots
    does not count, as docs/admin/limits.md says.
    """
    if look.libvirt is None:
        return ""
    claims = [claim for claim in (look.before, look.after) if claim is not None]
    vcpus = max((claim.vcpus for claim in claims), default=0)
    memory_mb = max((claim.memory_mb for claim in claims), default=0)
    holds = look.libvirt.memory_mb
    if look.guest is not None:
        holds = max(holds, look.guest.memory_mb)
    if look.libvirt.vcpus > vcpus:
        return f"The guest holds {look.libvirt.vcpus} vCPUs, and Placement has {vcpus}."
    if holds > memory_mb and not look.booting:
        return f"The guest holds {holds} MiB, and Placement has {memory_mb} MiB."
    return ""


def broken_rules(report: Mapping[str, Any]) -> str:
    """Return a sentence for each rule that ``nova-xloud-status invariants`` found broken.

    :param report: what the command prints with ``--format json``
    """
    broken = [f"{one['code']}: {one['message']}" for one in report["breaks"]]
    return " ".join(
        [*broken, *(f"It could not be checked: {one}" for one in report["not_checked"])]
    )


def wrong_code(command: str, code: int, expected: int) -> str:
    """Return a sentence if a command did not end with the exit code that was expected."""
    if code == expected:
        return ""
    return f"`{command}` ended with exit code {code}, and {expected} was expected."


def not_said(command: str, output: str, expected: str) -> str:
    """Return a sentence if a command did not print a text; where lines break does not matter."""
    if " ".join(expected.split()) in " ".join(output.split()):
        return ""
    return f"`{command}` did not print: {expected}"


def wrong_conditions(seen: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """Return a sentence if other conditions are true than expected, or for other reasons.

    :param seen: the reason of each condition that is true
    """
    if seen == expected:
        return ""
    return f"True is {_listed(seen)}, and {_listed(expected)} was expected."


def not_true(seen: Mapping[str, str], kind: str) -> str:
    """Return a sentence if no condition of this kind is true."""
    return "" if kind in seen else f"True is {_listed(seen)}, and {kind} was expected."


def wrong_claim(claim: Size | None, expected: Size) -> str:
    """Return a sentence if Placement has not allocated just this size."""
    if claim == expected:
        return ""
    return f"Placement has {claim} (vCPUs / MiB), and {expected} was expected."


def wrong_sizes(seen: Witnesses, expected: Witnesses) -> str:
    """Return a sentence for each source whose size is not as expected, as one text."""
    sources = {
        "Placement has": (seen.placement, expected.placement),
        "libvirt has": (seen.libvirt, expected.libvirt),
        "the guest says that it has": (seen.guest, expected.guest),
    }
    return " ".join(
        f"It was expected that {source} {wanted} (vCPUs / MiB), and it is {size}."
        for source, (size, wanted) in sources.items()
        if size != wanted
    )


def _listed(conditions: Mapping[str, str]) -> str:
    said = [f"{kind} ({reason})" for kind, reason in sorted(conditions.items())]
    return ", ".join(said) or "no condition"
