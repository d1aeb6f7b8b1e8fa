# SPDX-License-Identifier: Apache-2.0
"""Every error nova-xloud raises, as one tree.

::

    XloudError
    ├── Refused                 an adjustment that changes nothing; goes to the caller
    │   ├── Invalid                 400  xloud.invalid
    │   ├── OutOfBounds             400  xloud.out_of_bounds
    │   ├── Forbidden               403  xloud.forbidden
    │   ├── QuotaExceeded           403  xloud.quota
    │   ├── NotFound                404  xloud.not_found
    │   ├── InvalidState            409  xloud.invalid_state
    │   ├── NoCapacity              409  xloud.no_capacity
    │   ├── NoAllocation            409  xloud.no_allocation
    │   ├── ClaimRefused            409  xloud.claim_refused
    │   ├── Blocked                 409  xloud.blocked.<why>
    │   ├── HostUnavailable         409  xloud.host_unavailable
    │   ├── HostUnsupported         409  xloud.host_unsupported
    │   └── PlacementUnavailable    503  xloud.placement_unavailable
    ├── DomainError             what a libvirt domain answered to one call
    │   ├── DomainNotFound          libvirt 42
    │   ├── DomainNotRunning        libvirt 55
    │   ├── InvalidSize             libvirt 8, 82
    │   ├── VcpuNotRemovable        libvirt 67
    │   ├── RemovalTimedOut         libvirt 68, 1
    │   ├── RemovalRejected         libvirt 9
    │   ├── DomainBusy              libvirt 68, 9
    │   ├── AgentUnavailable        libvirt 74, 86, 112, 113, 1
    │   └── DomainCallFailed        any other libvirt error
    ├── GuestRefused            the guest did not follow: xloud.guest_refused.<what>
    ├── AdjustmentDeferred      nothing can happen before somebody else acts
    └── UnfitNova               a seam does not fit the installed Nova

A ``Refused`` carries a stable ``code`` and the HTTP ``status`` it becomes. Codes
are part of the API: people and programs match on them, so they never change.
"""

from __future__ import annotations

from typing import Any, ClassVar


class XloudError(Exception):
    """The root of the tree; never raised itself."""

    def format_message(self) -> str:
        """What Nova puts into an instance action event; its own exceptions have it too."""
        return str(self)


class Refused(XloudError):
    """An adjustment was refused; nothing was changed.

    :ivar code: stable reason code, ``xloud.<something>``
    :ivar status: HTTP status
    """

    code: ClassVar[str] = "xloud.refused"
    status: ClassVar[int] = 409

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason_code}: {self.message}"

    @property
    def reason_code(self) -> str:
        return self.code

    def to_wire(self) -> dict[str, Any]:
        """``{"code", "status", "message"}``: how a refusal crosses RPC."""
        return {"code": self.reason_code, "status": self.status, "message": self.message}

    @staticmethod
    def from_wire(data: dict[str, Any]) -> Refused:
        """The refusal that :meth:`to_wire` described.

        A code of a later version of the other side becomes a plain ``Refused``
        that still carries that code and status.
        """
        code = str(data["code"])
        if code.startswith(Blocked.PREFIX):
            return Blocked(code.removeprefix(Blocked.PREFIX), str(data["message"]))
        for cls in Refused.__subclasses__():
            if vars(cls).get("code") == code:
                return cls(str(data["message"]))
        return _RefusedElsewhere(code, int(data["status"]), str(data["message"]))


class _RefusedElsewhere(Refused):
    """A refusal with a code this version does not know."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self._code = code
        self.status = status  # type: ignore[misc]

    @property
    def reason_code(self) -> str:
        return self._code


class Invalid(Refused):
    """The request is not well formed."""

    code = "xloud.invalid"
    status = 400


class OutOfBounds(Refused):
    """A size below the minimum, above the maximum, or off the vCPU step."""

    code = "xloud.out_of_bounds"
    status = 400


class Forbidden(Refused):
    """Policy does not allow it."""

    code = "xloud.forbidden"
    status = 403


class QuotaExceeded(Refused):
    """It would hold more than the quota of its project, or of its user, has left."""

    code = "xloud.quota"
    status = 403


class NotFound(Refused):
    """No such instance on that host."""

    code = "xloud.not_found"
    status = 404


class InvalidState(Refused):
    """The instance is in a vm_state or task_state that does not allow it."""

    code = "xloud.invalid_state"


class NoCapacity(Refused):
    """Placement has no room on the host."""

    code = "xloud.no_capacity"


class NoAllocation(Refused):
    """Placement holds nothing for the instance on its host."""

    code = "xloud.no_allocation"


class ClaimRefused(Refused):
    """Placement does not take what is to be reserved, and not because the host is full.

    So a release: what was reserved stays reserved, which is safe, and more than is needed.
    """

    code = "xloud.claim_refused"


class Blocked(Refused):
    """This instance cannot be adjusted so; ``why`` completes the code."""

    PREFIX = "xloud.blocked."

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why

    @property
    def reason_code(self) -> str:
        return self.PREFIX + self.why


class HostUnavailable(Refused):
    """The compute host is down or did not answer in time."""

    code = "xloud.host_unavailable"


class HostUnsupported(Refused):
    """The compute host runs without nova-xloud, or with one too old."""

    code = "xloud.host_unsupported"


class PlacementUnavailable(Refused):
    """Placement could not be asked, or kept conflicting."""

    code = "xloud.placement_unavailable"
    status = 503


class DomainError(XloudError):
    """A libvirt call on a domain failed; the message names call and domain."""


class DomainNotFound(DomainError):
    """There is no such domain (VIR_ERR_NO_DOMAIN, 42)."""


class DomainNotRunning(DomainError):
    """The call needs a running (or persistent) domain (VIR_ERR_OPERATION_INVALID, 55)."""


class InvalidSize(DomainError):
    """libvirt refuses the size: 0, negative, above the maximum (VIR_ERR_INVALID_ARG, 8),
    or, for a negative memory, VIR_ERR_OVERFLOW, 82.
    """


class VcpuNotRemovable(DomainError):
    """The vCPU was there at boot and is not hotpluggable (VIR_ERR_CONFIG_UNSUPPORTED, 67)."""


class RemovalTimedOut(DomainError):
    """The guest has not given the vCPU back in libvirt's own 5 s (VIR_ERR_OPERATION_TIMEOUT, 68),
    or was asked for it before and has not answered yet (VIR_ERR_INTERNAL_ERROR, 1).

    No refusal: it may still do so. The number of vCPUs is not settled: read back, do not add.
    """


class RemovalRejected(DomainError):
    """The guest said that it does not give the vCPU back (VIR_ERR_OPERATION_FAILED, 9)."""


class DomainBusy(DomainError):
    """Another call, or a migration, holds the domain (68, or 9 where too many wait).

    Nothing was begun: try later. ``cannot acquire state change lock``.
    """


class AgentUnavailable(DomainError):
    """No guest agent is configured (74), it does not answer (86, 112), or not with what was asked
    (113, or 1: the call is blocked, or the answer malformed).
    """


class DomainCallFailed(DomainError):
    """Any other libvirt error."""


class GuestRefused(XloudError):
    """The guest did not take or give back what it was told to; its claim stays.

    :ivar code: ``xloud.guest_refused.<what>``; stable. What: ``vcpus_not_added``,
        ``vcpus_not_removed``, ``vcpus_not_online``, ``removal_unsettled``, ``memory_not_reached``,
        ``memory_floor``, ``no_statistics``, ``not_in_time``
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AdjustmentDeferred(XloudError):
    """It was admitted and is not done: another operation, or a paused guest, goes first.

    What it needs stays claimed, and the instance is looked at again afterwards.
    """

    code: ClassVar[str] = "xloud.deferred"

    def __str__(self) -> str:
        return f"{self.code}: {super().__str__()}"


class UnfitNova(XloudError):
    """The installed Nova does not have a seam as the table expects it.

    :ivar misfits: one line a seam: its name, what was expected, what was found
    """

    def __init__(self, misfits: list[str]) -> None:
        self.misfits = misfits
        lines = "\n  ".join(misfits)
        super().__init__(f"this Nova does not fit nova-xloud; nothing was changed:\n  {lines}")
