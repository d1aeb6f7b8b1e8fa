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
    ├── DomainError             a libvirt call on a domain failed
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
    ├── AdjustmentDeferred      another operation, or a paused guest, has to go first
    └── UnfitNova               the installed Nova differs where nova-xloud extends or calls it

A ``Refused`` carries a stable ``code`` and the HTTP ``status`` it becomes. Codes
are part of the API: people and programs match on them, so they never change.
"""

from __future__ import annotations

from typing import Any, ClassVar


class XloudError(Exception):
    """The base class of every error of nova-xloud; it is never raised itself."""

    def format_message(self) -> str:
        """Return the text that Nova stores in the details of an instance action event.

        Nova calls this method of its own exceptions too.
        """
        return str(self)


class Refused(XloudError):
    """An adjustment was refused, and nothing was changed.

    :ivar code: stable reason code of the class, ``xloud.<something>``
    :ivar status: HTTP status of the REST response
    :ivar message: the reason, for people
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
        """The stable reason code of this error; :attr:`code`, unless a subclass completes it."""
        return self.code

    def to_wire(self) -> dict[str, Any]:
        """Return the refusal as RPC sends it: a dict of ``code``, ``status`` and ``message``."""
        return {"code": self.reason_code, "status": self.status, "message": self.message}

    @staticmethod
    def from_wire(data: dict[str, Any]) -> Refused:
        """Return the refusal that :meth:`to_wire` of the other side has sent.

        A code that this version does not know, from a later version, becomes a subclass of
        :class:`Refused` that still has that code and status.
        """
        code = str(data["code"])
        if code.startswith(Blocked.PREFIX):
            return Blocked(code.removeprefix(Blocked.PREFIX), str(data["message"]))
        for cls in Refused.__subclasses__():
            if vars(cls).get("code") == code:
                return cls(str(data["message"]))
        return _RefusedElsewhere(code, int(data["status"]), str(data["message"]))


class _RefusedElsewhere(Refused):
    """A refusal from another service, with a code that this version does not know."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self._code = code
        self.status = status  # type: ignore[misc]

    @property
    def reason_code(self) -> str:
        """The code that the other service has sent."""
        return self._code


class Invalid(Refused):
    """The request is not well formed."""

    code = "xloud.invalid"
    status = 400


class OutOfBounds(Refused):
    """The requested size is below the minimum, above the maximum, or off the vCPU step."""

    code = "xloud.out_of_bounds"
    status = 400


class Forbidden(Refused):
    """Nova's policy does not allow the caller to make this adjustment."""

    code = "xloud.forbidden"
    status = 403


class QuotaExceeded(Refused):
    """The server would hold more than the quota of its project, or of its user, has left."""

    code = "xloud.quota"
    status = 403


class NotFound(Refused):
    """The compute host has no such instance."""

    code = "xloud.not_found"
    status = 404


class InvalidState(Refused):
    """The instance is in a vm_state or task_state that does not allow it."""

    code = "xloud.invalid_state"


class NoCapacity(Refused):
    """The compute host has no room for the size, by Placement's inventories and usages."""

    code = "xloud.no_capacity"


class NoAllocation(Refused):
    """Placement has no allocation for the instance on the instance's compute host."""

    code = "xloud.no_allocation"


class ClaimRefused(Refused):
    """Placement refuses to release what is not needed any more.

    What was reserved stays reserved, which is safe, but more than is needed.
    """

    code = "xloud.claim_refused"


class Blocked(Refused):
    """A resource of this instance cannot be adjusted, or not in this way.

    :ivar why: the last part of the code ``xloud.blocked.<why>``; it never changes
    """

    PREFIX = "xloud.blocked."

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why

    @property
    def reason_code(self) -> str:
        """The stable reason code, ``xloud.blocked.<why>``."""
        return self.PREFIX + self.why


class HostUnavailable(Refused):
    """The compute host is down or did not answer in time."""

    code = "xloud.host_unavailable"


class HostUnsupported(Refused):
    """The compute host runs without nova-xloud, or with one too old."""

    code = "xloud.host_unsupported"


class PlacementUnavailable(Refused):
    """Placement did not answer, or every attempt to write ended in a conflict."""

    code = "xloud.placement_unavailable"
    status = 503


class DomainError(XloudError):
    """A libvirt call on a domain failed; the message names the call and the domain."""


class DomainNotFound(DomainError):
    """There is no such domain (VIR_ERR_NO_DOMAIN, 42)."""


class DomainNotRunning(DomainError):
    """The call needs a running (or persistent) domain (VIR_ERR_OPERATION_INVALID, 55)."""


class InvalidSize(DomainError):
    """libvirt refuses the size, because it is 0, negative or above the maximum.

    The error is VIR_ERR_INVALID_ARG (8), or VIR_ERR_OVERFLOW (82) for a negative memory.
    """


class VcpuNotRemovable(DomainError):
    """The vCPU was there at boot and is not hotpluggable (VIR_ERR_CONFIG_UNSUPPORTED, 67)."""


class RemovalTimedOut(DomainError):
    """The guest has not given a vCPU back yet.

    Either libvirt's own 5 s have passed (VIR_ERR_OPERATION_TIMEOUT, 68), or the guest was asked for
    the vCPU before and has not answered yet (VIR_ERR_INTERNAL_ERROR, 1). This is no refusal: the
    guest may still give the vCPU back. Until then the number of vCPUs is not settled: read it
    again, and add no vCPU.
    """


class RemovalRejected(DomainError):
    """The guest refused to give the vCPU back (VIR_ERR_OPERATION_FAILED, 9)."""


class DomainBusy(DomainError):
    """Another call, or a migration, holds the domain, so libvirt has begun nothing: try later.

    libvirt's error is 68, or 9 if too many calls wait: ``cannot acquire state change lock``.
    """


class AgentUnavailable(DomainError):
    """The guest agent cannot be used.

    No agent is configured (74), the agent does not answer (86, 112), or it does not do what it was
    asked for (113; or 1, if the call is blocked in the guest or the answer is malformed).
    """


class DomainCallFailed(DomainError):
    """A libvirt call on a domain failed with an error that has no class of its own."""


class GuestRefused(XloudError):
    """The guest did not follow: it did not reach the desired size, and its claim stays.

    :ivar message: the reason, for people
    :ivar code: stable reason code ``xloud.guest_refused.<what>``. Some of
        them: ``vcpus_not_added``, ``vcpus_not_removed``, ``vcpus_not_online``,
        ``removal_unsettled``, ``memory_not_reached``, ``memory_floor``, ``no_statistics``,
        ``not_in_time``
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AdjustmentDeferred(XloudError):
    """An admitted adjustment has to wait, because another operation or a paused guest goes first.

    What the adjustment needs stays claimed, and a new run follows afterwards.
    """

    code: ClassVar[str] = "xloud.deferred"

    def __str__(self) -> str:
        return f"{self.code}: {super().__str__()}"


class UnfitNova(XloudError):
    """The installed Nova differs at a seam, a point where nova-xloud extends or calls it.

    :ivar misfits: one line for each such seam: its name, what was expected, what was found
    """

    def __init__(self, misfits: list[str]) -> None:
        self.misfits = misfits
        lines = "\n  ".join(misfits)
        super().__init__(f"this Nova does not fit nova-xloud; nothing was changed:\n  {lines}")
