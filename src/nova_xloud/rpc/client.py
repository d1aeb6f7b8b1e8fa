# SPDX-License-Identifier: Apache-2.0
"""Ask an instance's compute host."""

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

_MAY_BE_TAKEN = "the server's xloud-status says whether the request was taken"
_ONLY_READS = ("now", "guests")
CONF = nova.conf.CONF

# The first version in which a host can be told until when we wait.
_IN_TIME = "1.4"
# Seconds; what a service says of itself it knows without looking.
ABOUT_WITHIN = 10
# Seconds for which a host's time is reckoned from what it told. Two clocks of which one is wrong by
# half a part in a thousand, which is the most that is allowed to slew, come 0.3 s apart by then.
TIME_IS_KNOWN_FOR = 600.0


@dataclass(frozen=True, slots=True)
class _HostTime:
    """What a host's clock said.

    :ivar clock: its id
    :ivar seconds: its reading
    :ivar came: our monotonic seconds when the answer was here, which is after it was read there
    """

    clock: str
    seconds: float
    came: float

    def age(self) -> float:
        return time.monotonic() - self.came

    def until(self) -> dict[str, Any]:
        """How long we wait from now, as arguments of a call.

        The host's clock is further on than is reckoned, by what the answer took to come here: so
        at the time that is named we wait still.
        """
        by = {"clock": self.clock, "seconds": self.seconds + self.age() + _answer_within()}
        return {"answer_within": _answer_within(), "answer_by": by}


class XloudAPI:
    """Client of the ``xloud`` namespace on nova-compute's topic.

    Every call raises a :class:`nova_xloud.errors.Refused`: what the host refused, or
    ``HostUnsupported`` where it runs without nova-xloud, or ``HostUnavailable`` where it does
    not answer within Nova's ``rpc_response_timeout``.
    """

    def __init__(self) -> None:
        target = messaging.Target(topic=rpcapi.RPC_TOPIC, namespace=NAMESPACE, version=VERSION)
        client = rpc.get_client(
            target,
            version_cap=CONF.upgrade_levels.xloud,
            serializer=objects_base.NovaObjectSerializer(),
        )
        self._router = rpc.ClientRouter(client)
        # The time of each host as it was told last.
        self._times: dict[str, _HostTime] = {}

    def answered_within(self) -> float:
        """The seconds that a host may take to answer.

        oslo.messaging registers the option for it when a client is made, and not before: so only a
        client can be asked.
        """
        return float(CONF.rpc_response_timeout)

    def adjust(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """See :meth:`XloudEndpoint.adjust`."""
        arguments = asdict(request)
        if not request.force:
            del arguments["force"]
        version = "1.1" if request.force else FIRST
        older = {"answer_within": _answer_within()}
        return self._call_in_time(context, instance, "adjust", version, older, **arguments)

    def plan(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """See :meth:`XloudEndpoint.plan`."""
        return self._call(context, instance, "plan", "1.1", **asdict(request))

    def reserve(self, context: Any, instance: Any, request: AdjustRequest) -> None:
        """See :meth:`XloudEndpoint.reserve`."""
        self._call_in_time(context, instance, "reserve", "1.2", {}, **asdict(request))

    def unreserve(self, context: Any, instance: Any) -> None:
        """See :meth:`XloudEndpoint.unreserve`; nobody waits for it, and nothing is raised.

        Where it does not arrive, a pass over the host does the same.
        """
        if not instance.host:
            return
        client = self._router.client(context).prepare(server=instance.host, version="1.2")
        try:
            client.cast(context, "unreserve", instance=instance)
        except messaging.MessagingException as error:
            LOG.warning("Instance %s keeps for now what it reserved: %s", instance.uuid, error)

    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """See :meth:`XloudEndpoint.status`."""
        return self._call(context, instance, "status", FIRST)

    def guests(self, context: Any, host: str, uuids: Sequence[str]) -> dict[str, Any]:
        """See :meth:`XloudEndpoint.guests`.

        :param context: targeted at the host's cell
        """
        answer = self._ask_host(context, host, "guests", "1.5", uuids=list(uuids))
        told: dict[str, Any] = _result(answer)
        return told

    def about(self, context: Any, topic: str, host: str) -> dict[str, Any] | None:
        """What a service says of itself; see :meth:`nova_xloud.rpc.about.AboutEndpoint.about`.

        :param context: targeted at the cell whose broker it listens to; else nova.conf's is used
        :param topic: nova-compute's, nova-conductor's or nova-scheduler's
        :returns: None: it runs with a nova-xloud that is older than this call
        :raises HostUnsupported: it runs without nova-xloud
        :raises HostUnavailable: it does not answer
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
        """Make it ``new_count`` vCPUs; returns when the guest has them.

        Never more than the flavor's. The size is persisted, as by an adjustment. Quotas are not
        looked at: nobody's request comes this way, and a caller that has one looks first.
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
        """A call that the host does not begin any more when we have given it up.

        :param version: the lowest that has it; for a host that cannot be told until when
        :param older: what such a host is sent instead
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
                # An older nova-xloud has been started there: as one that was never asked.
                answer = None
            else:
                if not _may_be_another_process(answer):
                    self._times[instance.host] = remembered
                    return _result(answer)
        now = self._time_of(context, instance)
        if now is None:
            # An older one. One without nova-xloud says so again.
            return self._call(context, instance, method, version, timeout, **arguments, **older)
        if answer is not None and remembered is not None and remembered.clock == now.clock:
            return _result(answer)
        # The process that told the time has ended, and the other has refused: so it is asked again.
        arguments |= now.until()
        return self._call(context, instance, method, _IN_TIME, timeout, **arguments)

    def _time_of(self, context: Any, instance: Any) -> _HostTime | None:
        """What its host's clock says, remembered for the next call; None: it does not know."""
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
        """The answer, a refusal too."""
        if not instance.host:
            raise HostUnavailable("it is on no compute host")
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
            raise HostUnavailable(f"its compute host did not answer in time; {asked}") from error
        except messaging.RPCVersionCapError as error:
            raise HostUnsupported(
                f"{method} {version} is later than [upgrade_levels] xloud in nova-api's nova.conf, "
                f"which is {CONF.upgrade_levels.xloud}"
            ) from error
        except (messaging.UnsupportedVersion, messaging.RemoteError) as error:
            if _not_known(error):
                raise HostUnsupported(
                    "its compute host runs without nova-xloud, or with one that does not know "
                    f"{method} {version}; start nova-compute there with nova-xloud-run"
                ) from error
            raise
        return answer


def _result(answer: dict[str, Any]) -> Any:
    if "refused" in answer:
        raise Refused.from_wire(answer["refused"])
    return answer["result"]


def _may_be_another_process(answer: dict[str, Any]) -> bool:
    """Whether it may have refused because the clock it was told a time of has ended."""
    return bool(answer.get("refused", {}).get("code") == HostUnavailable.code)


def _answer_within() -> float:
    """Seconds: a little less than we wait, so that no answer crosses with our giving up."""
    return float(CONF.rpc_response_timeout * 0.8)


def _not_known(error: Exception) -> bool:
    return not _names(error).isdisjoint(("UnsupportedVersion", "NoSuchMethod"))


def _names(error: Exception) -> set[str]:
    """What it is here, and what it was where it comes from."""
    return {type(error).__name__, getattr(error, "exc_type", None) or ""}
