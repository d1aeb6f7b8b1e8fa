# SPDX-License-Identifier: Apache-2.0
"""Every error class of the client, as one tree; all are openstacksdk's ``SDKException`` too.

Other errors of openstacksdk and keystoneauth are raised unchanged: a server that is not found by
its name, a connection that fails, an answer for which the tree has no class.

::

    ClientError
    ├── AdjustmentRefused       the API refused a request: one class for each code
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
    ├── UnreadableAnswer        the answer has another form than those of the API
    └── NotReached              the wait ended before the guest had the size; has the last status
        ├── GuestRefused            the guest does not follow
        ├── TimedOut                the adjustment continues
        ├── Superseded              another size is desired now
        └── AdjustmentFailed        the adjustment could not be done
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from openstack.exceptions import SDKException, raise_from_response

from nova_xloud.client.advice import next_step
from nova_xloud.client.resources import Status
from nova_xloud.printable import one_line

_CODE = re.compile(r"^(xloud\.[a-z_.]+): ?(.*)$", re.DOTALL)


class ClientError(SDKException):
    """The base class of every error in this module; it is never raised itself.

    :ivar message: what happened, for people
    :ivar next_step: what to do about the error, in one or more sentences; may be empty
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.next_step = advice


class AdjustmentRefused(ClientError):
    """The API refused an adjustment or a dry run, or to show a status.

    What is desired and what the guest has are not changed; more may be reserved for a while. The
    exception is :class:`HostUnavailable`: the adjustment may have been admitted. This class itself
    is raised for a code that only a later version of the API knows.

    :ivar code: stable reason code ``xloud.<something>``; empty if the message is Nova's own
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
    """The request is malformed: its body does not fit the API's schema, for example.

    The error is raised too if Nova itself answered 400.
    """

    CODE = "xloud.invalid"
    PLAIN = 400


class OutOfBounds(AdjustmentRefused):
    """The size is below the server's minimum or above its maximum.

    The error is raised too if the number of vCPUs is no multiple of the threads per core.
    """

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
    """The state of the server does not allow the request.

    The server is locked, busy with another operation, or not in one of the states active, paused
    and stopped. Or a size until the next stop was asked for (``persist=False``), and the server
    does not run.
    """

    CODE = "xloud.invalid_state"
    PLAIN = 409


class NoCapacity(AdjustmentRefused):
    """The server's compute host has no room in Placement for what the adjustment needs."""

    CODE = "xloud.no_capacity"


class NoAllocation(AdjustmentRefused):
    """Placement has no allocation for the server on the server's compute host."""

    CODE = "xloud.no_allocation"


class ClaimRefused(AdjustmentRefused):
    """Placement refuses to write the server's allocation, and not for lack of room.

    For example, Placement does not know the server's compute host.
    """

    CODE = "xloud.claim_refused"


class Blocked(AdjustmentRefused):
    """A resource of the server cannot be adjusted, or not in the way that was asked for.

    The code ``xloud.blocked.<why>`` and the message say why.
    """

    CODE = "xloud.blocked"

    @property
    def why(self) -> str:
        """The part of ``code`` after ``xloud.blocked.``, such as ``vfio``."""
        return self.code.removeprefix("xloud.blocked.")


class HostUnavailable(AdjustmentRefused):
    """The server's compute host cannot do what was asked for now.

    The host is down, busy or did not answer in time; the guest's QEMU or libvirt fails or does not
    answer there; or the server is on no host. If the host did not answer in time, the adjustment
    may have been admitted; the status shows whether it was.
    """

    CODE = "xloud.host_unavailable"


class HostUnsupported(AdjustmentRefused):
    """The server's compute host runs without nova-xloud, or with a version that is too old.

    The error is raised too if ``[upgrade_levels] xloud`` in nova-api's nova.conf forbids the call
    to the host.
    """

    CODE = "xloud.host_unsupported"


class PlacementUnavailable(AdjustmentRefused):
    """Placement cannot be used now.

    Placement did not answer, answered with an error, or each attempt to write the allocation ended
    in a conflict; or Placement or Keystone did not answer when the quota was checked.
    """

    CODE = "xloud.placement_unavailable"


class NotInstalled(ClientError):
    """This cloud's nova-api runs without nova-xloud, or with one too old for the request."""

    def __init__(self) -> None:
        super().__init__(
            "this cloud's nova-api runs without nova-xloud, or with an older one, so it does not "
            "know the URL that was asked for",
            "Ask the cloud's administrator to run nova-api with a nova-xloud that is as new as "
            "this client; nova-xloud-status upgrade check names the services that run without it.",
        )


class UnreadableAnswer(ClientError):
    """The answer has another form than those of the API.

    A proxy may have answered in place of nova-api, or a nova-xloud of another version. If the
    request was an adjustment, it may have been admitted.
    """


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn the errors of reading an answer of another form into ``UnreadableAnswer``.

    :param what: what was asked for, such as the path of the request
    :raises UnreadableAnswer: the answer is no JSON, lacks a value, or has one of another type
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        told = one_line(f"{type(error).__name__}: {error!s:.200}")
        raise UnreadableAnswer(
            f"the answer to {what} cannot be read ({told}); check that nova-api itself answers at "
            f"the cloud's compute endpoint, and that its nova-xloud is not newer than this client"
        ) from error


class NotReached(ClientError):
    """The adjustment was admitted, but the wait ended before the guest had the size.

    :ivar code: the reason code of the condition that explains why; empty if none does
    :ivar status: the last status that was read; None if no status could be read
    """

    def __init__(self, message: str, status: Status | None = None, code: str = "") -> None:
        super().__init__(message, next_step(code))
        self.status = status
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else str(self.message)


class GuestRefused(NotReached):
    """The guest, or its libvirt definition, did not get the desired size.

    What the guest has stays claimed.
    """


class TimedOut(NotReached):
    """The guest did not have the size within the timeout. The adjustment continues.

    ``code`` is the reason of the condition ``Converged``; empty if no status could be read.
    """

    def __str__(self) -> str:
        return str(self.message)


class Superseded(NotReached):
    """The server has another desired size by now than the adjustment asked for.

    It was adjusted again, or the adjustment was not to persist and the guest has stopped. A request
    that changed only a resource that the adjustment left as it was supersedes nothing.
    """


class AdjustmentFailed(NotReached):
    """The adjustment could not be done.

    nova-xloud tries again by itself, unless it has given the adjustment up
    (``xloud.gave_up.<what>``) or the server has no guest (``xloud.no_guest``).
    """


def check(response: Any) -> None:
    """Raise the error that a response of the API stands for; do nothing if there is none.

    A response is an error if its HTTP status is 400 or above.

    :param response: a response of ``requests``
    :raises AdjustmentRefused: nova-xloud refused the request, or Nova itself refused it with 400,
        403, 404 or 409
    :raises NotInstalled: the response is a 404 without a message of Nova, so nova-api does not know
        the URL
    :raises openstack.exceptions.HttpException: the response is any other error
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

    For a code that only a later version of the API knows, that is ``AdjustmentRefused`` itself.

    :param code: the reason code at the beginning of the message; empty if there is none
    :param status: the HTTP status, which decides if there is no code
    """
    for kind in AdjustmentRefused.__subclasses__():
        if code and (code == kind.CODE or code.startswith(kind.CODE + ".")):
            return kind
        if not code and status == kind.PLAIN:
            return kind
    return AdjustmentRefused if code else None


def _message(response: Any) -> str | None:
    """Return the message of an answer in Nova's form; None if the answer has another form.

    Nova's form is ``{"conflictingRequest": {"code": 409, "message": "..."}}``.
    """
    try:
        ((_, told),) = response.json().items()
        return str(told["message"])
    except (ValueError, AttributeError, TypeError, KeyError):
        return None
