# SPDX-License-Identifier: Apache-2.0
"""The quota check of automatic growth: asked by nova-compute, answered by nova-conductor.

A compute host cannot read the quota, which is in the API database or in Keystone. nova-conductor
answers in the RPC namespace ``xloud`` on its own topic.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import oslo_messaging as messaging
from nova import rpc
from nova.conductor import rpcapi
from nova.objects import base as objects_base

from nova_xloud.core.autoscaling.deferral import QUOTA_UNKNOWN
from nova_xloud.core.size import Size
from nova_xloud.errors import Invalid, Refused
from nova_xloud.printable import one_line
from nova_xloud.rpc import arguments
from nova_xloud.rpc.answers import UnreadableAnswer, is_of_other_side, name_of, result_of
from nova_xloud.rpc.versions import NAMESPACE, VERSION

LOG = logging.getLogger(__name__)

# The first version in which nova-conductor checks a growth.
_CHECKS_GROWTH = "1.6"
# Seconds; few threads ask for all servers of a host, and the next round asks again.
ANSWERS_WITHIN = 10
# Returns why the quota does not allow an instance to grow, or None: (context, uuid, size).
Checks = Callable[[Any, str, Size], Refused | None]


class ConductorEndpoint:
    """Answers the RPC call ``check_growth`` in nova-conductor.

    :param refusal: returns why the quota does not allow a growth; None if it does
    """

    target = messaging.Target(namespace=NAMESPACE, version=VERSION)

    def __init__(self, refusal: Checks) -> None:
        self._refusal = refusal

    def check_growth(self, context: Any, uuid: str, vcpus: int, memory_mb: int) -> dict[str, Any]:
        """Return whether the quota allows an instance to grow to a size.

        :param uuid: the instance, which is in the cell of this nova-conductor
        :returns: ``{"result": None}`` if it does, else ``{"refused": {"code", "status",
            "message"}}``. If the quota could not be checked, the code is that of ``Invalid`` (an
            argument is not valid), of ``NotFound`` (the instance was deleted), of
            ``PlacementUnavailable`` (limits or usage could not be read), or
            ``xloud.growth_deferred.quota_unknown`` (any other error)
        """
        try:
            if not isinstance(uuid, str):
                raise Invalid("uuid must be a string")
            size = Size(
                arguments.integer("vcpus", vcpus), arguments.integer("memory_mb", memory_mb)
            )
            refusal = self._refusal(context, uuid, size)
        except Refused as refused:
            refusal = refused
        except Exception as error:
            LOG.exception(
                "Instance %s: the quota for its growth could not be checked, so the growth is "
                "deferred; nova-compute asks again.",
                one_line(str(uuid)),
            )
            return _unknown(
                f"nova-conductor could not check the quota: {type(error).__name__}; its log has "
                f"the traceback"
            )
        return {"result": None} if refusal is None else {"refused": refusal.to_wire()}


class ConductorAPI:
    """Calls nova-conductor in the RPC namespace ``xloud``, from nova-compute."""

    def __init__(self) -> None:
        self._client: Any = None

    def check_growth(self, context: Any, uuid: str, size: Size) -> None:
        """Raise unless the quota allows an instance to grow to ``size``.

        :raises Refused: the quota does not allow that, or could not be checked. The code is one of
            :meth:`ConductorEndpoint.check_growth`. It is ``xloud.growth_deferred.quota_unknown`` if
            nova-conductor could not be asked or did not answer within ``ANSWERS_WITHIN`` seconds
        """
        # Made at the first call: nova.rpc is set up after this object is.
        if self._client is None:
            target = messaging.Target(topic=rpcapi.RPC_TOPIC, namespace=NAMESPACE, version=VERSION)
            serializer = objects_base.NovaObjectSerializer()
            self._client = rpc.get_client(target, serializer=serializer)
        client = self._client.prepare(version=_CHECKS_GROWTH, timeout=ANSWERS_WITHIN)
        try:
            answer = client.call(
                context, "check_growth", uuid=uuid, vcpus=size.vcpus, memory_mb=size.memory_mb
            )
        except messaging.MessagingTimeout:
            answer = _unknown("nova-conductor did not answer in time")
        except Exception as error:  # noqa: BLE001 - nova-conductor may raise any
            if is_of_other_side(error):
                answer = _unknown(
                    f"nova-conductor runs without nova-xloud or with an older one, or failed: "
                    f"{name_of(error)}"
                )
            else:
                answer = _unknown(f"nova-conductor could not be asked: {error}")
        try:
            result_of(answer, type(None))
        except UnreadableAnswer as error:
            raise Refused.from_wire(
                _unknown(f"nova-conductor gave an answer that cannot be read: {error}")["refused"]
            ) from error


def _unknown(message: str) -> dict[str, Any]:
    return {"refused": {"code": QUOTA_UNKNOWN, "status": 503, "message": message}}
