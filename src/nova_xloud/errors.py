# SPDX-License-Identifier: Apache-2.0
"""The errors that the services of nova-xloud raise and report, as one tree.

::

    XloudError
    ├── Refused                 a request, a claim or a release that is refused
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
    │   ├── DomainNotRunning        libvirt 55, 9
    │   ├── InvalidSize             libvirt 8, 82
    │   ├── VcpuNotRemovable        libvirt 67, 84
    │   ├── RemovalTimedOut         libvirt 68, 1
    │   ├── RemovalRejected         libvirt 9
    │   ├── DomainBusy              libvirt 68, 9, 55
    │   ├── AgentUnavailable        libvirt 74, 86, 112, 113, 1, 9, 84
    │   └── DomainCallFailed        any other libvirt error, or no connection to libvirt
    ├── GuestRefused            the guest did not follow: xloud.guest_refused.<what>
    ├── AdjustmentDeferred      the adjustment has to wait, and another run follows
    └── UnfitNova               the installed Nova differs where nova-xloud extends or calls it

A ``Refused`` carries a stable ``code`` and the HTTP ``status`` it becomes. Codes are part of the
API: people and programs match on them, so they never change. One libvirt number may have several
classes: :mod:`nova_xloud.libvirt.error_codes` tells them apart by message and call.

Not in the tree are the client's errors (:mod:`nova_xloud.client.errors`) and those that never leave
a service, such as :class:`nova_xloud.compute.ports.ClaimConflict`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class XloudError(Exception):
    """The base class of every error in this module; it is never raised itself."""

    def format_message(self) -> str:
        """Return the text that Nova stores in the details of an instance action event.

        Nova calls this method of its own exceptions too.
        """
        return str(self)


class Refused(XloudError):
    """A request was refused, or Placement refused a claim or a release in a run.

    A refused request changes nothing. But if the compute host or Placement has not answered
    (:class:`HostUnavailable`, :class:`PlacementUnavailable`), the request may have been admitted,
    or its size may have been reserved.

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

        :param data: ``code``, ``status`` and ``message``
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
    """The body of the request does not fit the schema of the API."""

    code = "xloud.invalid"
    status = 400


class OutOfBounds(Refused):
    """The requested size is below the minimum, above the maximum, or off the vCPU step."""

    code = "xloud.out_of_bounds"
    status = 400


class Forbidden(Refused):
    """Nova's policy does not allow the caller to make this request."""

    code = "xloud.forbidden"
    status = 403


class QuotaExceeded(Refused):
    """The server would hold more than the quota of its project, or of its user, has left."""

    code = "xloud.quota"
    status = 403


class NotFound(Refused):
    """The instance was deleted, or is not on the compute host that was asked."""

    code = "xloud.not_found"
    status = 404


class InvalidState(Refused):
    """The instance is in a state that does not allow the request.

    Its vm_state or task_state does not allow it, another operation is changing the instance or
    holds its lock, or a size until the next stop was asked for and no guest runs.
    """

    code = "xloud.invalid_state"


class NoCapacity(Refused):
    """The compute host has no room: Placement refuses the amounts, or would (in a dry run)."""

    code = "xloud.no_capacity"


class NoAllocation(Refused):
    """Placement has no allocation for the instance on the instance's compute host."""

    code = "xloud.no_allocation"


class ClaimRefused(Refused):
    """Placement refuses to release what is not needed any more, or cannot write the allocation.

    If it refuses a release, what was reserved stays reserved, which is safe, but more than is
    needed. That it cannot write an allocation is an answer of 400 or 404.
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
    """The compute host cannot do what was asked for now.

    It is down or did not answer in time, the guest's QEMU or libvirt does not answer there, the
    host is busy with too many requests, or the server is on no host.
    """

    code = "xloud.host_unavailable"


class HostUnsupported(Refused):
    """The compute host runs without nova-xloud, or with one too old.

    The error is raised too if ``[upgrade_levels] xloud`` does not allow the version of the call.
    """

    code = "xloud.host_unsupported"


class PlacementUnavailable(Refused):
    """Placement cannot be used now.

    It did not answer, answered with an error such as 401 or 500, or every attempt to write ended in
    a conflict; or Placement or Keystone did not answer when a quota was checked.
    """

    code = "xloud.placement_unavailable"
    status = 503


class DomainError(XloudError):
    """A libvirt call on a domain, or on all domains of a host, failed or could not be made.

    If libvirt has reported the error, the message names the call, and the domain if it was on one.
    """


class DomainNotFound(DomainError):
    """There is no such domain (VIR_ERR_NO_DOMAIN, 42), or Nova's driver is not libvirt's."""


class DomainNotRunning(DomainError):
    """The call needs a running (or persistent) domain.

    The error is VIR_ERR_OPERATION_INVALID (55), or VIR_ERR_OPERATION_FAILED (9) if QEMU has just
    ended. It is raised too, without a call, if there was no domain when the instance was read.
    """


class InvalidSize(DomainError):
    """libvirt refuses the size, because it is 0, negative or above the maximum.

    The error is VIR_ERR_INVALID_ARG (8), or VIR_ERR_OVERFLOW (82) for a negative memory.
    """


class VcpuNotRemovable(DomainError):
    """The vCPU cannot be unplugged; one that was there at boot is not hotpluggable.

    The error is VIR_ERR_CONFIG_UNSUPPORTED (67) or VIR_ERR_OPERATION_UNSUPPORTED (84).
    """


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

    libvirt's error is 68, or 9 if too many calls wait: ``cannot acquire state change lock``. For a
    domain that is being migrated it may be 55.
    """


class AgentUnavailable(DomainError):
    """The guest agent cannot be used.

    No agent is configured (74), the agent does not answer (86, 112), or it does not do what it was
    asked for (113, 9, 84; or 1, if the call is blocked in the guest or the answer is malformed). It
    is raised too, without a number of libvirt, if nova-compute has stopped waiting for the answer,
    or makes no call because earlier calls were not answered.
    """


class DomainCallFailed(DomainError):
    """libvirt failed with an error that has no class of its own, or could not be reached."""


class GuestRefused(XloudError):
    """The guest did not reach the desired size, and what it has stays claimed.

    :ivar code: stable reason code ``xloud.guest_refused.<what>``, with one of: ``vcpus_not_added``,
        ``vcpus_not_removed``, ``vcpus_not_online``, ``removal_unsettled``, ``memory_not_reached``,
        ``memory_floor``, ``memory_pinned``, ``no_statistics``, ``definition_not_set``,
        ``not_in_time``. The last one is of the RPC method ``hotplug_vcpus`` only: the adjustment is
        admitted, and is not done yet for any reason
    :ivar message: the reason, for people
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AdjustmentDeferred(XloudError):
    """An admitted adjustment has to wait, and a new run follows afterwards.

    Another operation or libvirt call goes first, the guest is paused or has just started, QEMU or
    Placement does not answer, the run takes too long, nova-compute is stopping, or the instance is
    not driven in its vm_state. What the adjustment needs stays claimed.
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
