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
    ├── AdjustmentSuperseded    another size was asked for before the adjustment had ended
    └── UnfitNova               the installed Nova differs where nova-xloud extends or calls it,
                                or no Nova is installed

A ``Refused`` has a stable ``code`` and the HTTP ``status`` of the answer. Codes are part of the
API: people and programs match on them, so they never change. One libvirt number may have several
classes: :mod:`nova_xloud.libvirt.error_codes` tells them apart by message and call.

Not in the tree are the client's errors (:mod:`nova_xloud.client.errors`) and those that never leave
a service, such as :class:`nova_xloud.compute.ports.ClaimConflict`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nova_xloud.printable import one_line

# The HTTP statuses of all refusals.
STATUSES = (400, 403, 404, 409, 503)


class XloudError(Exception):
    """The base class of every error in this module; it is never raised itself.

    A tenant's image, a guest agent or another service may have chosen a part of the message, which
    is logged, recorded and shown. So it is made one line of visible text.

    :ivar message: the reason, for people
    """

    def __init__(self, message: str = "") -> None:
        self.message = one_line(message)
        super().__init__(self.message)

    def format_message(self) -> str:
        """Return the text that Nova stores in the details of an instance action event.

        Nova calls this method, as it does on its own exceptions.
        """
        return str(self)


class Refused(XloudError):
    """A request was refused, or a run could not claim, release or write the record.

    A refused request leaves the desired size and the guest as they were. More may stay reserved
    than before; the next run releases that. There are two cases in which the request may have been
    admitted: :class:`HostUnavailable`, and a code ``xloud.guest_refused.<what>``, with which the
    RPC method ``hotplug_vcpus`` answers.

    :ivar code: stable reason code of the class, ``xloud.<something>``; see :attr:`reason_code`
    :ivar status: HTTP status of the REST response
    :ivar recorded: the reason for the record and for conditions, which every reader of the project
        sees: without what the host has free
    """

    code: ClassVar[str] = "xloud.refused"
    status: ClassVar[int] = 409

    def __init__(self, message: str, recorded: str | None = None) -> None:
        """Make a refusal.

        :param message: the reason, for whoever may adjust the server, and for the host's log
        :param recorded: the reason for readers of the project; None: ``message``
        """
        super().__init__(message)
        self.recorded = self.message if recorded is None else one_line(recorded)

    def __str__(self) -> str:
        return f"{self.reason_code}: {self.message}"

    @property
    def reason_code(self) -> str:
        """The stable reason code of this error: :attr:`code`, unless a subclass has another."""
        return self.code

    def to_wire(self) -> dict[str, Any]:
        """Return the refusal as RPC sends it: a dict of ``code``, ``status`` and ``message``."""
        return {"code": self.reason_code, "status": self.status, "message": self.message}

    @staticmethod
    def from_wire(data: dict[str, Any]) -> Refused:
        """Return the refusal that another service has sent over RPC, as :meth:`to_wire` made it.

        A code that no subclass of :class:`Refused` has becomes an error with that code and status.
        It comes from a later version of nova-xloud, or is the code of a :class:`GuestRefused`. A
        status that no refusal has becomes 409: the REST API would answer 500 with it. The code is
        made one line as the message is, because both are logged and recorded.

        :param data: ``code``, ``status`` and ``message``
        :raises ValueError: ``data`` has another form
        """
        try:
            code, status, message = data["code"], data["status"], data["message"]
        except (TypeError, LookupError) as error:
            raise ValueError("a refusal without a code, a status and a message") from error
        if not (isinstance(code, str) and code.startswith("xloud.") and isinstance(message, str)):
            raise ValueError("a refusal whose code or message is none")
        code = one_line(code)
        if code.startswith(Blocked.PREFIX):
            return Blocked(code.removeprefix(Blocked.PREFIX), message)
        for cls in Refused.__subclasses__():
            if vars(cls).get("code") == code:
                return cls(message)
        is_known = isinstance(status, int) and status in STATUSES
        return _RefusedElsewhere(code, status if is_known else Refused.status, message)


class _RefusedElsewhere(Refused):
    """A refusal from another service, with a code that no subclass of :class:`Refused` has."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self._code = code
        self.status = status  # type: ignore[misc]

    @property
    def reason_code(self) -> str:
        """The code that the other service has sent."""
        return self._code


class Invalid(Refused):
    """The request is malformed.

    A REST request does not fit its schema, has a body that cannot be read, or has a header ``Host``
    that cannot be part of a URL; or an argument of an RPC call has a wrong type.
    """

    code = "xloud.invalid"
    status = 400


class OutOfBounds(Refused):
    """The requested size is below the minimum, above the maximum, or not in whole cores."""

    code = "xloud.out_of_bounds"
    status = 400


class Forbidden(Refused):
    """Nova's policy does not allow the caller to make this request."""

    code = "xloud.forbidden"
    status = 403


class QuotaExceeded(Refused):
    """The adjustment would exceed a quota of the server's project or of its user."""

    code = "xloud.quota"
    status = 403


class NotFound(Refused):
    """The instance was deleted, or is not on the compute host that was asked."""

    code = "xloud.not_found"
    status = 404


class InvalidState(Refused):
    """The instance is in a state that does not allow the request.

    The vm_state or task_state does not allow it, or another operation is changing the instance or
    holds the instance's lock. The error is raised too if a size until the next stop is asked for
    and no guest runs.
    """

    code = "xloud.invalid_state"


class NoCapacity(Refused):
    """The compute host has no room: Placement refuses the amounts, or in a dry run would do so."""

    code = "xloud.no_capacity"


class NoAllocation(Refused):
    """Placement has no allocation for the instance on the instance's compute host."""

    code = "xloud.no_allocation"


class ClaimRefused(Refused):
    """Placement refuses a release, or answers a write of the allocation with 400 or 404.

    What was reserved stays reserved. So after a refused release more is reserved than the instance
    needs, which is safe.
    """

    code = "xloud.claim_refused"


class Blocked(Refused):
    """A resource of this instance cannot be adjusted, or not to the size that was asked for.

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
    """The compute host cannot do now what was asked for.

    The host is down, stopping, or too busy to answer in time; it failed with an error, or answered
    what cannot be read; the guest's QEMU does not answer; libvirt or the guest failed a call; the
    server is on no host; or Nova's database of the server's cell does not answer. The error is
    raised too for another service of Nova that does not answer when it is asked for its version of
    nova-xloud.
    """

    code = "xloud.host_unavailable"


class HostUnsupported(Refused):
    """A service, mostly nova-compute, runs without nova-xloud, or with one too old for the call.

    The error is raised too if ``[upgrade_levels] xloud`` does not allow the version of the call.
    """

    code = "xloud.host_unsupported"


class PlacementUnavailable(Refused):
    """Placement cannot be used now, or the usage or limits of a quota cannot be read.

    Placement did not answer, answered with an error such as 401 or 500, or met each attempt to
    write with a conflict. For a quota it may also be Keystone that did not answer.
    """

    code = "xloud.placement_unavailable"
    status = 503


class DomainError(XloudError):
    """A libvirt call on a domain, or on all domains of a host, failed or could not be made."""


class DomainNotFound(DomainError):
    """There is no such domain (VIR_ERR_NO_DOMAIN, 42), or Nova's driver is not libvirt's."""


class DomainNotRunning(DomainError):
    """The call needs a domain that runs, or one with a persistent definition.

    libvirt's error is VIR_ERR_OPERATION_INVALID (55), or VIR_ERR_OPERATION_FAILED (9) if QEMU has
    just ended. The class is raised too, without a call, if there was no domain when the instance
    was read.
    """


class InvalidSize(DomainError):
    """libvirt refuses the size, because it is 0, negative or above the maximum.

    libvirt's error is VIR_ERR_INVALID_ARG (8), or VIR_ERR_OVERFLOW (82) for a negative memory.
    """


class VcpuNotRemovable(DomainError):
    """A vCPU cannot be unplugged, for example because it is not hotpluggable.

    libvirt's error is VIR_ERR_CONFIG_UNSUPPORTED (67) or VIR_ERR_OPERATION_UNSUPPORTED (84).
    """


class RemovalTimedOut(DomainError):
    """The guest has not given a vCPU back yet.

    The 5 s that libvirt waits have passed (VIR_ERR_OPERATION_TIMEOUT, 68), or the guest was asked
    for the vCPU before and has not answered yet (VIR_ERR_INTERNAL_ERROR, 1). This is no refusal:
    the guest may still give the vCPU back. Until it has, the caller must not rely on the number of
    vCPUs, and must not add any. If libvirt's messages are not in English, the error may also mean
    that another call holds the domain.
    """


class RemovalRejected(DomainError):
    """The guest refused to give a vCPU back (VIR_ERR_OPERATION_FAILED, 9)."""


class DomainBusy(DomainError):
    """Another call, or a migration, holds the domain, so libvirt has begun nothing: try later.

    libvirt's error is ``cannot acquire state change lock``, with the number 68, or 9 if too many
    calls wait. For a domain that is being migrated it may be 55.
    """


class AgentUnavailable(DomainError):
    """The guest agent cannot be used.

    No agent is configured (74), the agent does not answer (86, 112), or it does not do what it was
    asked for (113, 9, 84; or 1, if the call is blocked in the guest or the answer is malformed).
    The numbers are libvirt's. The error is raised without one if nova-compute has stopped waiting
    for the answer, or makes no call because earlier calls were not answered.
    """


class DomainCallFailed(DomainError):
    """libvirt failed with an error that has no class of its own, or could not be reached."""


class GuestRefused(XloudError):
    """The guest, or its libvirt definition, did not get the desired size.

    What the guest has stays claimed.

    :ivar code: stable reason code ``xloud.guest_refused.<what>``, with one of: ``vcpus_not_added``,
        ``vcpus_not_removed``, ``vcpus_not_online``, ``removal_unsettled``, ``memory_not_reached``,
        ``memory_floor``, ``memory_pinned``, ``no_statistics``, ``definition_not_set``,
        ``not_in_time``. Only the RPC method ``hotplug_vcpus`` raises ``not_in_time``: the
        adjustment is admitted, and for whatever reason the guest does not have the vCPUs yet
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AdjustmentDeferred(XloudError):
    """An admitted adjustment has to wait, and a later run goes on with it.

    Another operation or libvirt call goes first, the guest is paused or has just started, QEMU or
    Placement does not answer, the run takes too long, nova-compute is stopping, or the instance has
    a vm_state, such as ``error``, in which its guest is not changed. What is claimed for the
    adjustment stays claimed.
    """

    code: ClassVar[str] = "xloud.deferred"

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AdjustmentSuperseded(XloudError):
    """Another size was asked for before an adjustment had ended.

    No caller gets it. The event of the adjustment's instance action ends with it, if so many
    requests have followed that the record names the adjustment no longer.
    """

    def __init__(self) -> None:
        super().__init__("other sizes were asked for before this adjustment had ended")


class UnfitNova(XloudError):
    """The installed Nova differs at a seam, a point where nova-xloud extends or calls Nova.

    It is raised too if no Nova is installed. Its text has a line for each of ``misfits``.

    :ivar misfits: one line for each such seam: its name, what was expected, what was found
    """

    def __init__(self, misfits: list[str]) -> None:
        self.misfits = misfits
        super().__init__(
            "the Nova here does not fit nova-xloud, so it is not extended or started; install a "
            "Nova and a nova-xloud that fit each other"
        )

    def __str__(self) -> str:
        return "\n  ".join((f"{self.message}:", *self.misfits))
