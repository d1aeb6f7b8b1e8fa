# SPDX-License-Identifier: Apache-2.0
"""The RPC client of nova-xloud, for calls to compute hosts and to other services of Nova."""

from __future__ import annotations

import contextlib
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
from nova_xloud.errors import HostUnavailable, HostUnsupported
from nova_xloud.printable import one_line
from nova_xloud.rpc.answers import UnreadableAnswer, is_of_other_side, name_of, result_of
from nova_xloud.rpc.versions import FIRST, NAMESPACE, VERSION

LOG = logging.getLogger(__name__)

_MAY_BE_TAKEN = "the server's xloud-status shows whether the request was admitted"
_ONLY_READS = ("now", "guests", "plan", "status")
CONF = nova.conf.CONF

# The first version in which a call can have a deadline by the clock of the host.
_IN_TIME = "1.4"
# The first version in which an adjustment can name a mode of automatic growth.
_WITH_MODE = "1.6"
# Timeout in seconds: a service answers about without any other call.
ABOUT_WITHIN = 10
# Timeout in seconds: nova-api has the database to answer with, and a dashboard whose proxy gives up
# first (after 60 s, often) shows the flavor's size as the present one.
STATUS_WITHIN = 20
# Seconds for which the time of a host is computed from its last answer. Clocks may slew by at most
# half a part in a thousand, so two clocks are at most 0.3 s apart by then.
TIME_IS_KNOWN_FOR = 600.0


@dataclass(frozen=True, slots=True)
class _HostTime:
    """A time that a compute host's clock has shown.

    :ivar clock: the id of the clock; each process of nova-compute has another one
    :ivar seconds: the seconds that the clock has shown
    :ivar came: when the host's answer arrived, in monotonic seconds of this process; the host read
        the clock before that
    """

    clock: str
    seconds: float
    came: float

    def age(self) -> float:
        """Return the seconds since the host's answer arrived."""
        return time.monotonic() - self.came

    def until(self) -> dict[str, Any]:
        """Return the arguments ``answer_within`` and ``answer_by`` of a call that is sent now.

        ``answer_within`` says for how many seconds the host may begin the call, and ``answer_by``
        until when by the host's clock. The host's clock is ahead of the time that is computed here,
        because its answer took some time to arrive. So the caller still waits at the deadline.
        """
        by = {"clock": self.clock, "seconds": self.seconds + self.age() + _answer_within()}
        return {"answer_within": _answer_within(), "answer_by": by}


class XloudAPI:
    """Calls nova-compute in the RPC namespace ``xloud``, and for :meth:`about` other services too.

    A method that waits for an answer of nova-compute may raise these subclasses of
    :class:`nova_xloud.errors.Refused`, and :meth:`about` those that it names:

    * the refusal that the host has answered;
    * ``HostUnsupported``: the host runs without nova-xloud, or with one that does not know the
      call; or ``[upgrade_levels] xloud`` does not allow the call;
    * ``HostUnavailable``: the host does not answer in time, gives an answer that cannot be read, or
      fails the call; the message broker fails; or the instance is on no host. A call that does not
      only read may have been carried out all the same.
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
        """Return Nova's option ``rpc_response_timeout``: how many seconds a host has to answer.

        This is a method of the client because oslo.messaging registers the option only when a
        client is made.
        """
        return float(CONF.rpc_response_timeout)

    def adjust(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Have the instance's host admit an adjustment, without waiting for the guest.

        :returns: ``{"generation": int, "nothing_to_do": bool}``; see
            :meth:`nova_xloud.rpc.endpoint.XloudEndpoint.adjust`
        """
        arguments = _arguments(request)
        if not request.force:
            del arguments["force"]
        version = "1.1" if request.force else FIRST
        if request.autoscale is not None:
            version = _WITH_MODE
        older = {"answer_within": _answer_within()}
        return self._call_in_time(context, instance, "adjust", version, older, **arguments)

    def plan(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Ask the instance's host what an adjustment would do; nothing is changed.

        :returns: the plan; see :meth:`nova_xloud.compute.host.Host.plan`
        """
        version = "1.1" if request.autoscale is None else _WITH_MODE
        return self._call(context, instance, "plan", version, kind=dict, **_arguments(request))

    def reserve(self, context: Any, instance: Any, request: AdjustRequest) -> None:
        """Have the instance's host claim what an adjustment needs; nothing is admitted yet.

        See :meth:`nova_xloud.rpc.endpoint.XloudEndpoint.reserve`.
        """
        version = "1.2" if request.autoscale is None else _WITH_MODE
        self._call_in_time(context, instance, "reserve", version, {}, **_arguments(request))

    def unreserve(self, context: Any, instance: Any) -> None:
        """Have the instance's host release what :meth:`reserve` claimed, and do not wait for that.

        Nothing is sent if the instance is on no host. If the message cannot be sent, a warning is
        logged and no error is raised, because a reconcile pass of the host releases the claim.
        """
        if not instance.host:
            return
        client = self._router.client(context).prepare(server=instance.host, version="1.2")
        try:
            client.cast(context, "unreserve", instance=instance)
        except messaging.MessagingException as error:
            LOG.warning(
                "Instance %s: host %s could not be asked to release what was reserved for an "
                "adjustment; its next reconcile pass releases what is not needed of it: %s",
                instance.uuid,
                instance.host,
                error,
            )

    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the status of an instance, which the instance's host reads now.

        :returns: see :meth:`nova_xloud.compute.host.Host.status`
        :raises HostUnavailable: also if the host does not answer within :data:`STATUS_WITHIN`
        """
        timeout = min(STATUS_WITHIN, CONF.rpc_response_timeout)
        keys = ("current_vcpus", "current_memory_mb", "vcpus", "memory_mb", "conditions")
        return self._call(context, instance, "status", FIRST, timeout, kind=dict, keys=keys)

    def guests(self, context: Any, host: str, uuids: Sequence[str]) -> dict[str, Any]:
        """Return what the guests of some instances of a compute host hold, by UUID.

        :param context: a context that is targeted at the host's cell
        :param host: the name of the compute host
        :returns: see :meth:`nova_xloud.compute.host.Host.guests`
        """
        answer = self._ask_host(context, host, "guests", "1.5", uuids=list(uuids))
        told: dict[str, Any] = _result(answer, dict, then=_then("guests"))
        return told

    def about(self, context: Any, topic: str, host: str) -> dict[str, Any] | None:
        """Return the versions and options of nova-xloud in a service of Nova.

        :param context: targeted at the cell to whose broker the service listens; otherwise the
            broker of nova.conf is used
        :param topic: the topic of nova-compute, nova-conductor or nova-scheduler
        :param host: the host of the service
        :returns: ``{"package": version, "rpc_version": version, "options": {...}}``, see
            :meth:`nova_xloud.rpc.about.AboutEndpoint.about`; None if nova-compute runs with a
            nova-xloud that is too old to know this call
        :raises HostUnsupported: the service runs without nova-xloud; or it is nova-conductor or
            nova-scheduler, with a nova-xloud that is too old
        :raises HostUnavailable: the service does not answer within 10 s, or the call fails in
            another way
        """
        client = self._router.client(context).prepare(
            topic=topic, server=host, version=FIRST, timeout=ABOUT_WITHIN
        )
        try:
            answer = client.call(context, "about")
        except messaging.MessagingTimeout as error:
            raise HostUnavailable(f"no answer within {ABOUT_WITHIN} s") from error
        except Exception as error:
            if "NoSuchMethod" in _names(error):
                return None
            if "UnsupportedVersion" in _names(error):
                raise HostUnsupported(
                    f"nova-{topic} on {host} runs without nova-xloud, or with a nova-xloud that is "
                    f"too old to report its version; start the service with nova-xloud-run"
                ) from error
            told = name_of(error) if is_of_other_side(error) else one_line(str(error))
            raise HostUnavailable(f"the call failed: {type(error).__name__}: {told}") from error
        keys = ("package", "rpc_version", "options")
        report: dict[str, Any] = _result(answer, dict, keys, "nothing is known of its nova-xloud")
        return report

    def hotplug_vcpus(self, context: Any, instance: Any, new_count: int) -> None:
        """Set the number of vCPUs to ``new_count``, and return when the guest has them.

        The size is kept after the next stop. A guest that is off gets the vCPUs when it starts
        next, and the method returns without waiting for that. The host has
        ``[xloud] hotplug_timeout`` seconds more to answer than for other calls. Quotas are not
        checked: a caller that acts for a user has to check them first.

        :param new_count: at most the flavor's vCPUs
        :raises Refused: the errors that the class names; also with a code
            ``xloud.guest_refused.<what>`` if the guest does not follow, or if the change is not
            done within ``[xloud] hotplug_timeout`` seconds
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
        """Call the instance's host with a deadline after which the host refuses to begin the call.

        At the deadline the caller still waits for the answer. The deadline is a time of the host's
        clock, which is read first if it was not read in the last ten minutes, and again if
        nova-compute may have restarted since. A host that is too old to know deadlines is called
        without one.

        :param version: the lowest RPC version that has what the call needs beside the deadline; a
            host that is too old to know deadlines is called in it
        :param older: the arguments that such a host gets in place of a deadline
        :param timeout: seconds to wait for the answer; None: Nova's ``rpc_response_timeout``
        """
        in_time = max(version, _IN_TIME, key=_number)
        remembered = self._times.pop(instance.host, None)
        answer = None
        if remembered is not None and remembered.age() < TIME_IS_KNOWN_FOR:
            until = remembered.until()
            try:
                answer = self._ask(
                    context, instance, method, in_time, timeout, **arguments, **until
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
        return self._call(context, instance, method, in_time, timeout, **arguments)

    def _time_of(self, context: Any, instance: Any) -> _HostTime | None:
        """Read the clock of the instance's host, and remember the reading for later calls.

        :returns: None if the host runs without nova-xloud, or with one that is too old for
            deadlines, or if ``[upgrade_levels] xloud`` does not allow them
        """
        try:
            now = self._call(context, instance, "now", _IN_TIME, kind=dict)
        except HostUnsupported:
            return None
        shown = _shown_in(now)
        if shown is None:
            then = _then("now")
            raise HostUnavailable(f"the server's compute host does not say its time; {then}")
        read = _HostTime(*shown, time.monotonic())
        self._times[instance.host] = read
        return read

    def _call(
        self,
        context: Any,
        instance: Any,
        method: str,
        version: str,
        timeout: int | None = None,
        kind: type[Any] = object,
        keys: Sequence[str] = (),
        **arguments: Any,
    ) -> Any:
        answer = self._ask(context, instance, method, version, timeout, **arguments)
        return _result(answer, kind, keys, _then(method))

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
        :raises HostUnsupported: the host does not know the call, or ``[upgrade_levels] xloud`` does
            not allow it
        """
        if not instance.host:
            raise HostUnavailable("the server is on no compute host; nothing was changed")
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
            raise HostUnavailable(
                f"the server's compute host did not answer in time; {_then(method)}"
            ) from error
        except messaging.RPCVersionCapError as error:
            raise HostUnsupported(
                f"the RPC call {method} has version {version}, and [upgrade_levels] xloud in "
                f"nova-api's nova.conf allows versions up to {CONF.upgrade_levels.xloud}"
            ) from error
        except Exception as error:
            # Python's own errors and those of Nova come from a host as what they are, and others as
            # RemoteError. An answer that Nova's serializer cannot read is raised here as well.
            if _not_known(error):
                raise HostUnsupported(
                    "the server's compute host runs without nova-xloud, or with one that does not "
                    f"know the RPC call {method} {version}; start nova-compute there with "
                    "nova-xloud-run, or upgrade nova-xloud there"
                ) from error
            LOG.warning(
                "Host %s has not answered the RPC call %s of nova-xloud: %s. If the error is one "
                "of that host, the log of its nova-compute has the traceback; otherwise check the "
                "message broker.",
                host,
                method,
                name_of(error),
            )
            raise HostUnavailable(
                "the server's compute host could not be asked, or failed to answer; "
                + _then(method)
            ) from error
        return answer


def _number(version: str) -> tuple[int, ...]:
    """Return a version as numbers that can be compared: 1.10 comes after 1.9."""
    return tuple(map(int, version.split(".")))


def _arguments(request: AdjustRequest) -> dict[str, Any]:
    """Return the RPC arguments for ``request``; ``autoscale`` is among them if it names a mode."""
    arguments = asdict(request)
    # Only a compute host makes automatic requests, to itself.
    del arguments["automatic"]
    if request.autoscale is None:
        del arguments["autoscale"]
    return arguments


def _then(method: str) -> str:
    """Return how the message for a caller without an answer ends."""
    return "nothing was changed" if method in _ONLY_READS else _MAY_BE_TAKEN


def _result(
    answer: Any,
    kind: type[Any] = object,
    keys: Sequence[str] = (),
    then: str = _MAY_BE_TAKEN,
) -> Any:
    """Return the result of a host's answer, which has to be of the type ``kind``.

    :param keys: what a result that is a dictionary has to have
    :param then: what the message says after the reason
    :raises Refused: the answer is a refusal, or ``HostUnavailable``: it cannot be read
    """
    try:
        return result_of(answer, kind, keys)
    except UnreadableAnswer as error:
        raise HostUnavailable(
            f"the service gave an answer that cannot be read: {error}; {then}"
        ) from error


def _shown_in(now: dict[str, Any]) -> tuple[str, float] | None:
    """Return the clock and its seconds from a host's answer to ``now``; None if there are none.

    The seconds have to be finite, because they are added to and sent back.
    """
    clock, seconds = now.get("clock"), now.get("seconds")
    if isinstance(clock, str) and isinstance(seconds, int | float) and type(seconds) is not bool:
        # No float can hold an integer such as 10**400.
        with contextlib.suppress(OverflowError):
            if math.isfinite(seconds):
                return clock, float(seconds)
    return None


def _may_be_another_process(answer: dict[str, Any]) -> bool:
    """Return whether a host may have refused a deadline because nova-compute has restarted.

    A restarted nova-compute has another clock, and refuses deadlines by the clock before. It
    refuses with the code ``xloud.host_unavailable``, which also has other reasons.
    """
    try:
        return bool(answer["refused"]["code"] == HostUnavailable.code)
    except (TypeError, LookupError):
        return False


def _answer_within() -> float:
    """Return the seconds within which a host may begin a call.

    That is four fifths of ``rpc_response_timeout``, so that a host does not admit anything at the
    moment when the caller stops waiting.
    """
    return float(CONF.rpc_response_timeout * 0.8)


def _not_known(error: Exception) -> bool:
    return not _names(error).isdisjoint(("UnsupportedVersion", "NoSuchMethod"))


def _names(error: Exception) -> set[str]:
    """Return the class name of ``error``, and that of the error on the other side if it has one."""
    return {type(error).__name__, name_of(error)}
