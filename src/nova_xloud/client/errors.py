# SPDX-License-Identifier: Apache-2.0
"""Every error of the client, as one tree; all are openstacksdk's ``SDKException`` too.

::

    ClientError
    ├── AdjustmentRefused       the API said no, and nothing was changed: one class a code
    │   ├── Invalid                 xloud.invalid
    │   ├── OutOfBounds             xloud.out_of_bounds
    │   ├── Forbidden               xloud.forbidden
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
    └── NotReached              it was admitted, and waiting for it has ended; has the last status
        ├── GuestRefused            the guest does not follow
        ├── TimedOut                it goes on
        ├── Superseded              something else is desired now
        └── AdjustmentFailed        it could not be done
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

    :ivar message: for people
    :ivar next_step: what to do, in a sentence; may be empty
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.next_step = advice


class AdjustmentRefused(ClientError):
    """The API said no, and nothing was changed.

    :ivar code: stable, ``xloud.<something>``; empty where the message is Nova's own
    :ivar http_status: an integer
    :ivar request_id: of the request that was refused; empty if unknown
    """

    CODE: ClassVar[str] = ""
    # The HTTP status of Nova's own errors that are of this class.
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
    """The request is not well formed."""

    CODE = "xloud.invalid"
    PLAIN = 400


class OutOfBounds(AdjustmentRefused):
    """A size below the minimum, above the maximum, or off the vCPU step."""

    CODE = "xloud.out_of_bounds"


class Forbidden(AdjustmentRefused):
    """Policy does not allow it."""

    CODE = "xloud.forbidden"
    PLAIN = 403


class QuotaExceeded(AdjustmentRefused):
    """The quota of the server's project, or of its user, has not that much left."""

    CODE = "xloud.quota"


class NotFound(AdjustmentRefused):
    """No such server, or not visible, or it has just left its host."""

    CODE = "xloud.not_found"
    PLAIN = 404


class InvalidState(AdjustmentRefused):
    """It is locked, busy, or in a state in which nothing is adjusted."""

    CODE = "xloud.invalid_state"
    PLAIN = 409


class NoCapacity(AdjustmentRefused):
    """Its host has no room."""

    CODE = "xloud.no_capacity"


class NoAllocation(AdjustmentRefused):
    """Placement holds nothing for it on its host."""

    CODE = "xloud.no_allocation"


class ClaimRefused(AdjustmentRefused):
    """Placement does not take what is to be reserved, and not for lack of room."""

    CODE = "xloud.claim_refused"


class Blocked(AdjustmentRefused):
    """This server cannot; ``code`` says why, after ``xloud.blocked.``"""

    CODE = "xloud.blocked"

    @property
    def why(self) -> str:
        return self.code.removeprefix("xloud.blocked.")


class HostUnavailable(AdjustmentRefused):
    """Its compute host is down, or did not answer in time."""

    CODE = "xloud.host_unavailable"


class HostUnsupported(AdjustmentRefused):
    """Its compute host runs without nova-xloud, or with one too old."""

    CODE = "xloud.host_unsupported"


class PlacementUnavailable(AdjustmentRefused):
    """Placement could not be asked."""

    CODE = "xloud.placement_unavailable"


class NotInstalled(ClientError):
    """This cloud's nova-api runs without nova-xloud."""

    def __init__(self) -> None:
        super().__init__(
            "this cloud's nova-api runs without nova-xloud: it does not know the URL",
            "Ask the cloud's administrator for it; nova-xloud-status upgrade check tells them "
            "which service lacks it.",
        )


class NotReached(ClientError):
    """It was admitted, and waiting for it has ended.

    :ivar code: reason code of the condition that says why; may be empty
    :ivar status: as it was seen last; None: it could not be read even once
    """

    def __init__(self, message: str, status: Status | None = None, code: str = "") -> None:
        super().__init__(message, next_step(code))
        self.status = status
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else str(self.message)


class GuestRefused(NotReached):
    """The guest did not take, or give back, what it was told to. What it has stays claimed."""


class TimedOut(NotReached):
    """It was not reached in time. It goes on all the same; ``code`` says where it is."""

    def __str__(self) -> str:
        return str(self.message)


class Superseded(NotReached):
    """Something else is desired by now: somebody has adjusted it again, or it was restarted."""


class AdjustmentFailed(NotReached):
    """It could not be done; it is tried again by itself, more and more seldom."""


def check(response: Any) -> None:
    """Return if ``response`` is good.

    :param response: of ``requests``
    :raises AdjustmentRefused: where it is an answer of nova-xloud, or of Nova to the same request
    :raises NotInstalled: the URL is not known
    :raises openstack.exceptions.HttpException: anything else
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
    """None: it is no refusal. A code of a later version is an ``AdjustmentRefused``."""
    for kind in AdjustmentRefused.__subclasses__():
        if code and (code == kind.CODE or code.startswith(kind.CODE + ".")):
            return kind
        if not code and status == kind.PLAIN:
            return kind
    return AdjustmentRefused if code else None


def _message(response: Any) -> str | None:
    """What Nova says: ``{"conflictingRequest": {"code": 409, "message": "..."}}``."""
    try:
        ((_, told),) = response.json().items()
        return str(told["message"])
    except (ValueError, AttributeError, TypeError, KeyError):
        return None
