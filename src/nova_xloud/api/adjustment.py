# SPDX-License-Identifier: Apache-2.0
"""Check requests in nova-api, and send those that pass to the server's compute host.

If the host does not answer, the status is what Nova's database has.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import nova.conf
from nova import exception, servicegroup
from nova.compute import api as compute_api
from nova.compute import vm_states

from nova_xloud.api import quotas, recorded
from nova_xloud.api.quotas import Quota
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.status import not_adjustable
from nova_xloud.errors import (
    HostUnavailable,
    HostUnsupported,
    PlacementUnavailable,
    Refused,
)
from nova_xloud.fault_points import reached
from nova_xloud.rpc.client import XloudAPI

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class AdjustmentAPI:
    """The operations of nova-xloud in nova-api, beside those of ``nova.compute.api.API``.

    Decorators of ``nova.compute.api`` check whether the server's host is up and, except for
    :meth:`status`, whether the server's state allows the operation.
    """

    def __init__(self) -> None:
        # Nova's check_instance_host() uses the attribute of this name.
        self.servicegroup_api = servicegroup.API()

    @functools.cached_property
    def _rpc(self) -> XloudAPI:
        return XloudAPI()

    @compute_api.check_instance_state(
        vm_state=[vm_states.ACTIVE, vm_states.PAUSED, vm_states.STOPPED]
    )
    def xloud_adjust(self, context: Any, instance: Any, request: AdjustRequest) -> None:
        """Adjust a server, and return when the compute host has admitted the adjustment.

        If the server grows, its quota is checked first, unless all that grows is unlimited.

        :raises Refused: the quota does not allow the growth or could not be checked; or the compute
            host refuses the adjustment, is down, does not answer, or has no nova-xloud
        :raises nova.exception.InstanceIsLocked: the server is locked; for an admin too, because a
            lock is set on purpose
        :raises nova.exception.InstanceInvalidState: the server is not active, paused or stopped, or
            another operation is in progress
        """
        self._check_free(context, instance)
        growth = quotas.growth_of(instance, request)
        limit = None if growth is None else quotas.quota_of(context, growth)
        if limit is not None:
            _check_quota(limit)
        asked = (instance.uuid, instance.host, request.vcpus, request.memory_mb)
        LOG.info("Instance %s: host %s is asked for vcpus=%s memory_mb=%s.", *asked)
        if limit is None or not CONF.quota.recheck_quota:
            self._rpc.adjust(context, instance, request)
        else:
            self._adjust_in_turn(context, instance, request, limit)
        reached("api.adjusted")
        LOG.info("Instance %s: host %s has admitted the adjustment.", instance.uuid, instance.host)

    @compute_api.check_instance_state(
        vm_state=[vm_states.ACTIVE, vm_states.PAUSED, vm_states.STOPPED]
    )
    def plan(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Return what :meth:`xloud_adjust` would do, and change nothing.

        If the quota does not allow the adjustment, or the host would refuse it, the refusal is in
        the result and is not raised.

        :returns: the plan; see :meth:`nova_xloud.compute.host.Host.plan`
        :raises Refused: no plan can be made. The quota could not be checked; the compute host is
            down, does not answer, or has no nova-xloud or one that is too old; the server is no
            longer there or is being changed; or the guest's QEMU, libvirt or Placement does not
            answer
        :raises nova.exception.InstanceIsLocked: the server is locked
        :raises nova.exception.InstanceInvalidState: as in :meth:`xloud_adjust`
        """
        self._check_free(context, instance)
        growth = quotas.growth_of(instance, request)
        refusal = None if growth is None else quotas.refusal(context, growth)
        plan = self._rpc.plan(context, instance, request)
        if refusal is not None:
            why = {"code": refusal.reason_code, "message": refusal.message}
            plan |= {"admitted": False, "refusal": why}
        return plan

    def _adjust_in_turn(
        self, context: Any, instance: Any, request: AdjustRequest, limit: Quota
    ) -> None:
        """Adjust a server, and check the quota a second time before the host admits the adjustment.

        This is done if ``[quota] recheck_quota`` is set, because other requests of the project may
        have passed the first check at the same moment. The host first reserves what the adjustment
        needs, so that it counts as used. Then the quota is checked again, and the host admits. If
        the second check fails or the host does not admit, the host is asked to release what it may
        have reserved. A host that is too old to reserve admits without the second check.

        :raises Refused: the quota does not allow the growth or could not be checked; or the host
            refuses the adjustment or does not answer
        """
        reached("api.quota_checked")
        try:
            self._rpc.reserve(context, instance, request)
            reached("api.reserved")
        except HostUnsupported:
            # An older nova-xloud cannot reserve. Without nova-xloud, adjust() is refused as well.
            self._rpc.adjust(context, instance, request)
            return
        except BaseException as error:
            if _may_be_reserved(error):
                self._give_back(context, instance)
            raise
        try:
            _check_quota(limit, is_held=True)
            reached("api.quota_rechecked")
            self._rpc.adjust(context, instance, request)
        except BaseException:
            # Whatever the error is, also the end of this thread. An adjustment without an answer
            # may have been admitted: what it needs is desired then, so a run does not release it.
            self._give_back(context, instance)
            raise

    def _give_back(self, context: Any, instance: Any) -> None:
        """Have the host release what it has reserved for an adjustment; do not wait for that.

        If the message to the host is lost, a pass of the host releases the claim.
        """
        reached("api.unreserving")
        self._rpc.unreserve(context, instance)

    def _check_free(self, context: Any, instance: Any) -> None:
        if instance.locked:
            raise exception.InstanceIsLocked(instance_uuid=instance.uuid)
        if not self._host_is_up(context, instance):
            raise HostUnavailable("the server's compute host is down; nothing was changed")

    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the body of ``xloud_status``, from the compute host or else from Nova's database.

        Whatever is wrong with the host, there is an answer: a dashboard that gets none shows the
        flavor's size as the present one, and its form asks for that. The database is used if the
        server is on no host, or if the host is down, does not answer in time or refuses: it cannot
        read the guest, is reading too many others, cannot ask Placement, the server is changed too
        often meanwhile, has just left that host, or the call fails in the message broker or in the
        host's program. If the host runs without nova-xloud, both resources are blocked with
        ``xloud.host_unsupported``.
        """
        if self._host_is_up(context, instance):
            try:
                told = self._rpc.status(context, instance)
            except HostUnsupported as error:
                body = recorded.status(instance)
                return not_adjustable(body, error.reason_code, error.message)
            except Refused:
                return recorded.status(instance)
            told.pop("definition", None)
            if "autoscale" not in told:
                # A host with an older nova-xloud scales nothing.
                told["autoscale"] = recorded.scaling(instance)
            return told
        return recorded.status(instance)

    def _host_is_up(self, context: Any, instance: Any) -> bool:
        try:
            self._check_host(context, instance)
        except (exception.ServiceUnavailable, exception.InstanceNotReady):
            return False
        return True

    @compute_api.check_instance_host(check_is_up=True)
    def _check_host(self, context: Any, instance: Any) -> None:
        """Raise if the instance's host is down or the instance is on no host.

        The decorator does that.

        :raises nova.exception.ServiceUnavailable: the host is down
        :raises nova.exception.InstanceNotReady: the instance is on no host
        """


def _may_be_reserved(error: BaseException) -> bool:
    """Return whether the host has to be asked to release what a failed ``reserve`` has claimed.

    False if ``error`` is a :class:`Refused` other than ``HostUnavailable`` and
    ``PlacementUnavailable``: then the host itself gives back what it has claimed. After these two
    and any other error it is not known what the host has claimed.
    """
    is_answer = isinstance(error, Refused)
    return not is_answer or isinstance(error, HostUnavailable | PlacementUnavailable)


def _check_quota(limit: Quota, *, is_held: bool = False) -> None:
    refusal = limit.refusal(is_held=is_held)
    if refusal is not None:
        raise refusal
