# SPDX-License-Identifier: Apache-2.0
"""Every error class of the client, as one tree; all are openstacksdk's ``SDKException`` too.

Errors of openstacksdk and keystoneauth (a server that is not found by its name, a connection that
fails, an answer without a class here) come to the caller as they are.

::

    ClientError
    ├── AdjustmentRefused       the API said no: one class a code
    │   ├── Invalid                 xloud.invalid, or Nova's own 400
    │   ├── OutOfBounds             xloud.out_of_bounds
    │   ├── Forbidden               xloud.forbidden, or Nova's own 403
    │   ├── QuotaExceeded           xloud.quota
    │   ├── NotFound                xloud.not_found, or Nova's own 404
    │   ├── InvalidState            xloud.invalid_state, or Nova's own 409: locked, busy
    │   ├── NoCapacity              xloud.no_capacity
    │   ├── NoAllocation            xloud.no_allocation
    │   ├── ClaimRefused            xloud.claim_refused
    │   ├── Blocked                 xloud.blocked.<why>
    │   ├── HostUnavailable         xloud.host_unavailable
    │   ├── HostUnsupported         xloud.host_unsupported
    │   └── PlacementUnavailable    xloud.placement_unavailable
    ├── NotInstalled            this cloud's nova-api runs without nova-xloud
    └── NotReached              the wait ended before the guest had the size; has the last status
        ├── GuestRefused            the guest does not follow
        ├── TimedOut                the adjustment continues
        ├── Superseded              another size is desired now
        └── AdjustmentFailed        the adjustment could not be done
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from openstack.exceptions import SDKException, raise_from_response

from nova_xloud.client.advice import next_step
from nova_xloud.client.resources import Status

_CODE = re.compile(r"^(xloud\.[a-z_.]+): ?(.*)$", re.DOTALL)


class ClientError(SDKException):
    """The root of the tree; never raised itself.

    :ivar message: what happened, for people
    :ivar next_step: what to do about it, in one or more sentences; may be empty
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.next_step = advice


class AdjustmentRefused(ClientError):
    """The API refused an adjustment, or to show a status; nothing was changed.

    There is one exception: after :class:`HostUnavailable` the adjustment may have been taken, if
    the compute host did not answer in time; its message says so. This class itself is raised for a
    code that only a later version of the API knows.

    :ivar code: stable, ``xloud.<something>``; empty where the message is Nova's own
    :ivar http_status: the HTTP status of the answer
    :ivar request_id: the id of the request that was refused; empty if unknown
    """

    CODE: ClassVar[str] = ""
    # The HTTP status of errors of Nova itself (without a code) that become this class.
    PLAIN: ClassVar[int] = 0

    def __init__(
        self, message: str, code: str = "", http_status: int = 0, request_id: str = ""
    ) -> None:
        super().__init__(message, next_step(code, http_status))
        self.code = code
        self.http_status = http_status
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else str(self.message)


class Invalid(AdjustmentRefused):
    """The request is not well formed, by the API of nova-xloud or by Nova itself."""

    CODE = "xloud.invalid"
    PLAIN = 400


class OutOfBounds(AdjustmentRefused):
    """The size is below the minimum, above the maximum, or no multiple of the vCPU step."""

    CODE = "xloud.out_of_bounds"


class Forbidden(AdjustmentRefused):
    """The policy does not allow this user to adjust the server, or to see its status."""

    CODE = "xloud.forbidden"
    PLAIN = 403


class QuotaExceeded(AdjustmentRefused):
    """The quota of the server's project, or user, has less left than the adjustment needs."""

    CODE = "xloud.quota"


class NotFound(AdjustmentRefused):
    """There is no such server, the user may not see it, or it has just left its compute host."""

    CODE = "xloud.not_found"
    PLAIN = 404


class InvalidState(AdjustmentRefused):
    """The server is locked, busy with another operation, or neither active, paused nor stopped."""

    CODE = "xloud.invalid_state"
    PLAIN = 409


class NoCapacity(AdjustmentRefused):
    """The server's compute host has less left than the adjustment needs, by Placement."""

    CODE = "xloud.no_capacity"


class NoAllocation(AdjustmentRefused):
    """Placement has no allocation for the server on the server's compute host."""

    CODE = "xloud.no_allocation"


class ClaimRefused(AdjustmentRefused):
    """Placement refuses to release what is not needed any more, or does not know the host."""

    CODE = "xloud.claim_refused"


class Blocked(AdjustmentRefused):
    """A resource of the server cannot be adjusted, or not in this way.

    The code ``xloud.blocked.<why>`` and the message say why.
    """

    CODE = "xloud.blocked"

    @property
    def why(self) -> str:
        """The end of ``code``, after ``xloud.blocked.``"""
        return self.code.removeprefix("xloud.blocked.")


class HostUnavailable(AdjustmentRefused):
    """The server's compute host is down, or did not answer in time.

    If it did not answer in time, the adjustment may have been taken; the status shows whether.
    """

    CODE = "xloud.host_unavailable"


class HostUnsupported(AdjustmentRefused):
    """The server's compute host runs without nova-xloud, or with a version that is too old."""

    CODE = "xloud.host_unsupported"


class PlacementUnavailable(AdjustmentRefused):
    """Placement did not answer or failed, or each try to write the allocation was a conflict."""

    CODE = "xloud.placement_unavailable"


class NotInstalled(ClientError):
    """This cloud's nova-api runs without nova-xloud."""

    def __init__(self) -> None:
        super().__init__(
            "this cloud's nova-api runs without nova-xloud, so it does not know the URL that was "
            "asked for",
            "Ask the cloud's administrator to run nova-api with nova-xloud; nova-xloud-status "
            "upgrade check names the services that run without it.",
        )


class NotReached(ClientError):
    """The adjustment was admitted, and the wait ended before the guest had the size.

    :ivar code: the reason code of the condition that explains it; empty if none does
    :ivar status: the last status that was read; None: no status could be read
    """

    def __init__(self, message: str, status: Status | None = None, code: str = "") -> None:
        super().__init__(message, next_step(code))
        self.status = status
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else str(self.message)


class GuestRefused(NotReached):
    """The guest did not take or give back vCPUs or memory. What the guest has stays claimed."""


class TimedOut(NotReached):
    """The size was not reached in time. The adjustment continues.

    ``code`` is the reason of the condition ``Converged``; empty if no status could be read.
    """

    def __str__(self) -> str:
        return str(self.message)


class Superseded(NotReached):
    """Another size is desired by now.

    The server was adjusted again, or the adjustment was not to persist and the guest has stopped.
    """


class AdjustmentFailed(NotReached):
    """The adjustment could not be done.

    nova-xloud tries again, with longer and longer pauses, unless it has given the adjustment up
    (``xloud.gave_up``) or the server has no guest (``xloud.no_guest``).
    """


def check(response: Any) -> None:
    """Raise the error of a response of the API; return if its HTTP status is below 400.

    :param response: a response of ``requests``
    :raises AdjustmentRefused: nova-xloud refused the request, or Nova itself with 400, 403, 404 or
        409
    :raises NotInstalled: nova-api does not know the URL: a 404 without a message of Nova
    :raises openstack.exceptions.HttpException: any other error
    """
    status = response.status_code
    if status < 400:
        return
    told = _message(response)
    if told is None and status == 404:
        # Nova answers for a route that it does not have in no format of its own.
        raise NotInstalled
    found = _CODE.match(told or "")
    code, message = found.groups() if found else ("", told)
    kind = _class_of(code, status)
    if kind is None or message is None:
        raise_from_response(response)
    else:
        request_id = response.headers.get("x-openstack-request-id", "")
        raise kind(message, code, status, request_id)


def _class_of(code: str, status: int) -> type[AdjustmentRefused] | None:
    """Return the class for a refusal; None if the answer is not a refusal.

    A code that only a later version of the API knows becomes a plain ``AdjustmentRefused``.
    """
    for kind in AdjustmentRefused.__subclasses__():
        if code and (code == kind.CODE or code.startswith(kind.CODE + ".")):
            return kind
        if not code and status == kind.PLAIN:
            return kind
    return AdjustmentRefused if code else None


def _message(response: Any) -> str | None:
    """Return the message in an answer of Nova; None if the answer has another form.

    The form: ``{"conflictingRequest": {"code": 409, "message": "..."}}``.
    """
    try:
        ((_, told),) = response.json().items()
        return str(told["message"])
    except (ValueError, AttributeError, TypeError, KeyError):
        return None
