# SPDX-License-Identifier: Apache-2.0
"""Whether a guest that is made from another image can be as small as its claim.

A rebuild, a rescue and an unshelve may make the guest from another image than the one it was
claimed with, or from one whose properties the server's owner has changed. A rebuild and a rescue
claim nothing, and the unshelve of an offloaded server claims the persisted size. So with that image
the guest must not need more than is claimed.
"""

from __future__ import annotations

from nova_xloud.core.size import Size, of_vcpus
from nova_xloud.core.sizing.allocation import PCPU, VCPU, cpu_resources
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds, bounds_of
from nova_xloud.core.sizing.facts import FlavorFacts


def refusal(claimed: Size, facts: FlavorFacts) -> str | None:
    """Return why a guest made from an image would need more than ``claimed``; None if not.

    :param claimed: the size that the guest is to have, and that is or will be claimed for it
    :param facts: the facts of the server's flavor and of the image that the guest is made from
    :returns: a clause with the number that the guest would have and the claimed number
    """
    bounds = bounds_of(facts)
    return _memory_refusal(claimed, bounds) or _vcpu_refusal(claimed, bounds)


def rebuild_refusal(claimed: Size, before: FlavorFacts, after: FlavorFacts) -> str | None:
    """Return why a server cannot be rebuilt with an image at its claimed size; None if it can.

    The reasons are those of :func:`refusal`, and two more, because a rebuilt server keeps the
    image. The image's ``min_ram``, or the flavor's memory if that is less, must fit the claim. The
    amounts of ``VCPU`` and ``PCPU`` that the image leads to must fit too, unless the flavor fixes
    them.

    :param claimed: the size that the rebuilt guest is to have, and that is claimed for it
    :param before: the facts of the flavor and of the image for which the claim was made
    :param after: the facts of the flavor and the image to rebuild with
    :returns: a clause with the needed and the claimed number
    """
    why = refusal(claimed, after)
    if why is not None:
        return why
    if claimed.memory_mb < min(after.image_min_ram_mb, after.maximum.memory_mb):
        return (
            f"the image's min_ram is {after.image_min_ram_mb} MiB, and {claimed.memory_mb} MiB are "
            f"claimed for the server"
        )
    if after.overrides(VCPU, PCPU):
        return None
    held, needed = cpu_resources(claimed.vcpus, before), cpu_resources(claimed.vcpus, after)
    for name, amount in needed.items():
        if amount > held.get(name, 0):
            return (
                f"with this image {amount} {name} would be needed, and {held.get(name, 0)} "
                f"are claimed for the server"
            )
    return None


def _memory_refusal(claimed: Size, bounds: Bounds) -> str | None:
    blocker, most = bounds.blocker_of(MEMORY), bounds.maximum.memory_mb
    if blocker is None or claimed.memory_mb >= most:
        return None
    return (
        f"with this image {blocker.message}: the guest would have its maximum of {most} MiB, and "
        f"{claimed.memory_mb} MiB are claimed for it"
    )


def _vcpu_refusal(claimed: Size, bounds: Bounds) -> str | None:
    most, step, plugged = bounds.maximum.vcpus, bounds.vcpu_step, bounds.always_plugged
    blocker = bounds.blocker_of(VCPUS)
    if blocker is not None:
        needed, why = most, blocker.message
    elif claimed.vcpus < plugged:
        needed = plugged
        why = f"vCPUs 0 to {plugged - 1} always stay plugged, because of the dedicated vCPUs"
    else:
        needed = -(-claimed.vcpus // step) * step
        why = f"its cores have {step} threads and are plugged whole"
    if claimed.vcpus >= min(needed, most):
        return None
    return (
        f"with this image {why}: the guest would have {of_vcpus(min(needed, most))}, and "
        f"{claimed.vcpus} are claimed for it"
    )
