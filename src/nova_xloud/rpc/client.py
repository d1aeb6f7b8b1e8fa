# SPDX-License-Identifier: Apache-2.0
"""The RPC client of nova-xloud: calls an instance's compute host and other Nova services."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import nova.conf
import oslo_messaging as messaging
from nova import rpc
from nova.compute import rpcapi
from nova.objects import base as objects_base

from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import HostUnavailable, HostUnsupported, Refused
from nova_xloud.rpc.versions import FIRST, NAMESPACE, VERSION

LOG = logging.getLogger(__name__)

_MAY_BE_TAKEN = "the server's xloud-status shows whether the request was taken"
_ONLY_READS = ("now", "guests")
CONF = nova.conf.CONF

# The first version in which a call can have a deadline by the clock of the host.
_IN_TIME = "1.4"
# Timeout in seconds: a service answers about without any other call.
ABOUT_WITHIN = 10
# Seconds for which the time of a host is computed from its last answer. Clocks may slew by at most
# half a part in a thousand, so two clocks are at most 0.3 s apart by then.
TIME_IS_KNOWN_FOR = 600.0


@dataclass(frozen=True, slots=True)
class _HostTime:
    """A reading of a host's clock.

    :ivar clock: the id of the clock, another one for each process of nova-compute
    :ivar seconds: the reading
    :ivar came: our monotonic seconds when the answer arrived, which is after the clock was read
    """

    clock: str
    seconds: float
    came: float

    def age(self) -> float:
        """Return the seconds since the answer arrived."""
        return time.monotonic() - self.came

    def until(self) -> dict[str, Any]:
        """Return the arguments ``answer_within`` and ``answer_by`` of a call that is sent now.

        They name how long, and until when by the host's clock, the host may begin the call. The
        host's clock is ahead of the computed time, by what its answer took to arrive. So at the
        deadline we still wait.
        """
        by = {"clock": self.clock, "seconds": self.seconds + self.age() + _answer_within()}
        return {"answer_within": _answer_within(), "answer_by": by}


class XloudAPI:
    """Client of the RPC namespace ``xloud``: of nova-compute, and for :meth:`about` of others too.

    Every method that waits for an answer may raise a :class:`nova_xloud.errors.Refused`: the
    refusal of the host, ``HostUnsupported`` if the host runs without nova-xloud or with one that
    does not know the call, or if ``[upgrade_levels] xloud`` does not allow the call, and
    ``HostUnavailable`` if the host does not answer within Nova's ``rpc_response_timeout`` or the
    instance is on no host. Other errors of oslo.messaging are raised as they are.
    """

    def __init__(self) -> None:
        target = messaging.Target(topic=rpcapi.RPC_TOPIC, namespace=NAMESPACE, version=VERSION)
        client = rpc.get_client(
            target,
            version_cap=CONF.upgrade_levels.xloud,
            serializer=objects_base.NovaObjectSerializer(),
        )
        self._router = rpc.ClientRouter(client)
        # The last reading of each host's clock.
        self._times: dict[str, _HostTime] = {}

    def answered_within(self) -> float:
        """Return Nova's ``rpc_response_timeout``, the seconds that a host may take to answer.

        This is a method of the client because oslo.messaging registers the option only when a
        client is made.
        """
        return float(CONF.rpc_response_timeout)

    def adjust(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Have the instance's host admit an adjustment, and return its answer.

        :returns: see :meth:`nova_xloud.rpc.endpoint.XloudEndpoint.adjust`
        """
        arguments = asdict(request)
        if not request.force:
            del arguments["force"]
        version = "1.1" if request.force else FIRST
        older = {"answer_within": _answer_within()}
        return self._call_in_time(context, instance, "adjust", version, older, **arguments)

    def plan(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Return what an adjustment would do, and change nothing.

        :returns: see :meth:`nova_xloud.compute.host.Host.plan`
        """
        return self._call(context, instance, "plan", "1.1", **asdict(request))

    def reserve(self, context: Any, instance: Any, request: AdjustRequest) -> None:
        """Have the instance's host claim what an adjustment needs, without admitting it.

        See :meth:`nova_xloud.rpc.endpoint.XloudEndpoint.reserve`.
        """
        self._call_in_time(context, instance, "reserve", "1.2", {}, **asdict(request))

    def unreserve(self, context: Any, instance: Any) -> None:
        """Have the instance's host release what it reserved, and do not wait for that.

        Casts :meth:`nova_xloud.rpc.endpoint.XloudEndpoint.unreserve`; nothing is sent if the
        instance is on no host. An error of the broker is logged and not raised: if the message does
        not arrive, a reconcile pass of the host releases the claim.
        """
        if not instance.host:
            return
        client = self._router.client(context).prepare(server=instance.host, version="1.2")
        try:
            client.cast(context, "unreserve", instance=instance)
        except messaging.MessagingException as error:
            LOG.warning(
                "Instance %s: the reservation is released only by the next pass: %s",
                instance.uuid,
                error,
            )

    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the status of an instance, as the instance's host reads it now.

        :returns: see :meth:`nova_xloud.compute.host.Host.status`
        """
        return self._call(context, instance, "status", FIRST)

    def guests(self, context: Any, host: str, uuids: Sequence[str]) -> dict[str, Any]:
        """Return what the guests of some instances of a host hold, by UUID.

        :param context: a context that is targeted at the host's cell
        :returns: see :meth:`nova_xloud.compute.host.Host.guests`
        """
        answer = self._ask_host(context, host, "guests", "1.5", uuids=list(uuids))
        told: dict[str, Any] = _result(answer)
        return told

    def about(self, context: Any, topic: str, host: str) -> dict[str, Any] | None:
        """Return a service's versions and options.

        See :meth:`nova_xloud.rpc.about.AboutEndpoint.about`.

        :param context: targeted at the cell to whose broker the service listens; otherwise the
            broker of nova.conf is used
        :param topic: the topic of nova-compute, nova-conductor or nova-scheduler
        :returns: None if the service runs with a nova-xloud that is older than this call
        :raises HostUnsupported: the service runs without nova-xloud
        :raises HostUnavailable: the service does not answer within 10 s, or the call fails in
            another way
        """
        client = self._router.client(context).prepare(
            topic=topic, server=host, version=FIRST, timeout=ABOUT_WITHIN
        )
        try:
            answer: dict[str, Any] = client.call(context, "about")["result"]
        except messaging.MessagingTimeout as error:
            raise HostUnavailable(f"no answer within {ABOUT_WITHIN} s") from error
        except (messaging.MessagingException, messaging.RemoteError) as error:
            if "NoSuchMethod" in _names(error):
                return None
            if "UnsupportedVersion" in _names(error):
                raise HostUnsupported(f"{topic} on {host} runs without nova-xloud") from error
            raise HostUnavailable(f"{type(error).__name__}: {error}") from error
        return answer

    def hotplug_vcpus(self, context: Any, instance: Any, new_count: int) -> None:
        """Set the number of vCPUs to ``new_count``, and return when the guest has them.

        It waits for the answer by ``[xloud] hotplug_timeout`` longer than the other calls.

        ``new_count`` is at most the flavor's vCPUs, and the size is persisted as by an adjustment.
        Quotas are not checked: no user's request comes this way, and a caller that acts for a user
        has to check the quota first.

        :raises Refused: besides the refusals of every call, with a code
            ``xloud.guest_refused.<what>`` if the guest does not follow, or not within
            ``[xloud] hotplug_timeout``
        """
        timeout = math.ceil(CONF.xloud.hotplug_timeout) + CONF.rpc_response_timeout
        self._call_in_time(
            context, instance, "hotplug_vcpus", FIRST, {}, timeout, new_count=new_count
        )

    def _call_in_time(
        self,
        context: Any,
        instance: Any,
        method: str,
        version: str,
        older: dict[str, Any],
        timeout: int | None = None,
        **arguments: Any,
    ) -> Any:
        """Make a call that the host refuses to begin once we no longer wait for the answer.

        The deadline is a time of the host's clock, which is read first if it was not read in the
        last ten minutes. A host that is too old to know deadlines gets the call without one.

        :param version: the lowest RPC version that has the method, for a host that is too old to
            know deadlines
        :param older: the arguments that such a host gets in place of a deadline
        """
        remembered = self._times.pop(instance.host, None)
        answer = None
        if remembered is not None and remembered.age() < TIME_IS_KNOWN_FOR:
            until = remembered.until()
            try:
                answer = self._ask(
                    context, instance, method, _IN_TIME, timeout, **arguments, **until
                )
            except HostUnsupported:
                # An older nova-xloud was started on the host: go on as with an unknown host.
                answer = None
            else:
                if not _may_be_another_process(answer):
                    self._times[instance.host] = remembered
                    return _result(answer)
        now = self._time_of(context, instance)
        if now is None:
            # The host has an older nova-xloud; if it has none, this raises HostUnsupported again.
            return self._call(context, instance, method, version, timeout, **arguments, **older)
        if answer is not None and remembered is not None and remembered.clock == now.clock:
            return _result(answer)
        # The process whose clock was read has ended, and the next one refused its time: retry.
        arguments |= now.until()
        return self._call(context, instance, method, _IN_TIME, timeout, **arguments)

    def _time_of(self, context: Any, instance: Any) -> _HostTime | None:
        """Read the clock of the instance's host, and keep the reading for the next call.

        :returns: None if the host has no nova-xloud, or one that is too old for deadlines, or
            ``[upgrade_levels] xloud`` does not allow them
        """
        try:
            now = self._call(context, instance, "now", _IN_TIME)
        except HostUnsupported:
            return None
        read = _HostTime(now["clock"], now["seconds"], time.monotonic())
        self._times[instance.host] = read
        return read

    def _call(
        self,
        context: Any,
        instance: Any,
        method: str,
        version: str,
        timeout: int | None = None,
        **arguments: Any,
    ) -> Any:
        return _result(self._ask(context, instance, method, version, timeout, **arguments))

    def _ask(
        self,
        context: Any,
        instance: Any,
        method: str,
        version: str,
        timeout: int | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Call the instance's host and return its answer, which may be a refusal.

        :raises HostUnavailable: the instance is on no host, or its host does not answer in time
        :raises HostUnsupported: the host does not know the call, or nova.conf does not allow it
        """
        if not instance.host:
            raise HostUnavailable("the server is on no compute host")
        return self._ask_host(
            context, instance.host, method, version, timeout, instance=instance, **arguments
        )

    def _ask_host(
        self,
        context: Any,
        host: str,
        method: str,
        version: str,
        timeout: int | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        options = {} if timeout is None else {"timeout": timeout}
        client = self._router.client(context).prepare(server=host, version=version, **options)
        try:
            answer: dict[str, Any] = client.call(context, method, **arguments)
        except messaging.MessagingTimeout as error:
            asked = "nothing was changed" if method in _ONLY_READS else _MAY_BE_TAKEN
            raise HostUnavailable(
                f"the server's compute host did not answer in time; {asked}"
            ) from error
        except messaging.RPCVersionCapError as error:
            raise HostUnsupported(
                f"{method} {version} is later than [upgrade_levels] xloud in nova-api's nova.conf, "
                f"which is {CONF.upgrade_levels.xloud}"
            ) from error
        except (messaging.UnsupportedVersion, messaging.RemoteError) as error:
            if _not_known(error):
                raise HostUnsupported(
                    "the server's compute host runs without nova-xloud, or with one that does not "
                    f"know {method} {version}; start nova-compute there with nova-xloud-run"
                ) from error
            raise
        return answer


def _result(answer: dict[str, Any]) -> Any:
    if "refused" in answer:
        raise Refused.from_wire(answer["refused"])
    return answer["result"]


def _may_be_another_process(answer: dict[str, Any]) -> bool:
    """Return whether an answer refuses a deadline, maybe because of a clock that is gone.

    A nova-compute that has restarted has another clock, and refuses deadlines of the one before.
    """
    return bool(answer.get("refused", {}).get("code") == HostUnavailable.code)


def _answer_within() -> float:
    """Return the seconds within which a host may begin a call.

    That is four fifths of the time for which we wait for the answer, so that no admission crosses
    with our timeout.
    """
    return float(CONF.rpc_response_timeout * 0.8)


def _not_known(error: Exception) -> bool:
    return not _names(error).isdisjoint(("UnsupportedVersion", "NoSuchMethod"))


def _names(error: Exception) -> set[str]:
    """Return the class names of an error: here and, for a remote error, on the other side."""
    return {type(error).__name__, getattr(error, "exc_type", None) or ""}
