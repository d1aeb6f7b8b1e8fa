# SPDX-License-Identifier: Apache-2.0
"""Why an instance does not get the growth that is recommended for it now.

=======================================  ===========================================================
code                                     meaning
=======================================  ===========================================================
``xloud.growth_deferred.host_full``      the host has less free than is wanted
``xloud.growth_deferred.freeing``        not enough is free yet; other guests are giving back
``xloud.growth_deferred.kept``           what is free is kept for a guest that comes first
``xloud.growth_deferred.pace``           all guests together would grow too much in one round
``xloud.growth_deferred.stuck``          the guest does not take what it has got already
``xloud.growth_deferred.quota``          the project, or the user, has no quota left
``xloud.growth_deferred.quota_unknown``  nova-conductor could not be asked about the quota, or could
                                         not check it
``xloud.growth_deferred.placement``      Placement cannot be used now, or the limits or the usage of
                                         the quota could not be read
``xloud.growth_deferred.busy``           another operation holds the instance, it is not active, or
                                         the compute host cannot make the change now (QEMU does not
                                         answer, for example)
``xloud.growth_deferred.locked``         somebody has locked the instance
``xloud.growth_deferred.refused``        the compute host has refused the growth for another reason
=======================================  ===========================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.autoscaling.contest import Grant
from nova_xloud.errors import (
    HostUnavailable,
    InvalidState,
    NoCapacity,
    PlacementUnavailable,
    QuotaExceeded,
    Refused,
)

PREFIX = "xloud.growth_deferred."
GROWTH_DEFERRED = "GrowthDeferred"
QUOTA = "xloud.growth_deferred.quota"
HOST_FULL = "xloud.growth_deferred.host_full"
QUOTA_UNKNOWN = "xloud.growth_deferred.quota_unknown"
PLACEMENT = "xloud.growth_deferred.placement"
CODES = (
    HOST_FULL,
    "xloud.growth_deferred.freeing",
    "xloud.growth_deferred.kept",
    "xloud.growth_deferred.pace",
    "xloud.growth_deferred.stuck",
    QUOTA,
    QUOTA_UNKNOWN,
    PLACEMENT,
    "xloud.growth_deferred.busy",
    "xloud.growth_deferred.locked",
    "xloud.growth_deferred.refused",
)
_OF_REFUSAL: tuple[tuple[type[Refused], str], ...] = (
    (NoCapacity, "host_full"),
    (QuotaExceeded, "quota"),
    (PlacementUnavailable, "placement"),
    (InvalidState, "busy"),
    (HostUnavailable, "busy"),
)
_LEFT_ALONE = {
    "hold.busy": "an operation is going on, or the server is not active",
    "hold.locked": "the server is locked; unlock it to let it grow",
}
_FROM_ARBITRATION = "deferred."


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why an instance does not get the growth that is recommended for it now.

    :ivar code: one of :data:`CODES`
    :ivar message: the reason, for people
    """

    code: str
    message: str

    @property
    def is_of_quota(self) -> bool:
        """Whether growth waits for quota, or for an answer about it, and not for the host."""
        return self.code in (QUOTA, QUOTA_UNKNOWN)


def of_grant(grant: Grant) -> Deferral | None:
    """Return why a grant has less growth than is recommended; None if it has all of that.

    If the grant has less of both resources, the result is about memory.
    """
    for share, unit in ((grant.memory_mb, "memory"), (grant.vcpus, "vCPUs")):
        if share.deferred:
            code = PREFIX + share.why_deferred.removeprefix(_FROM_ARBITRATION)
            return Deferral(code, f"{unit}: {share.reason}")
    return None


def of_instance(why: str) -> Deferral | None:
    """Return the deferral of growth for an instance that automatic growth may not change now.

    None if the reason is the instance's mode: then automatic growth is not to change it at all.

    :param why: the code of the reason: ``hold.busy``, ``hold.locked``, ``off`` or ``observe``
    """
    message = _LEFT_ALONE.get(why)
    return None if message is None else Deferral(PREFIX + why.removeprefix("hold."), message)


def of_refusal(refusal: Refused) -> Deferral:
    """Return the deferral that a refused request for growth becomes."""
    if refusal.reason_code in CODES:
        return Deferral(refusal.reason_code, refusal.recorded)
    reason = next((name for cls, name in _OF_REFUSAL if isinstance(refusal, cls)), "refused")
    return Deferral(PREFIX + reason, f"{refusal.reason_code}: {refusal.recorded}")
