# SPDX-License-Identifier: Apache-2.0
"""Check requests in nova-api, and send them to the server's compute host.

The status comes from the database if the host does not answer.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import nova.conf
from nova import exception, servicegroup
from nova.compute import api as compute_api
from nova.compute import vm_states

from nova_xloud.adapters import nova_objects
from nova_xloud.api import quotas
from nova_xloud.api.quotas import Quota
from nova_xloud.clock import utc_now
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.state import NOTHING, InstanceState, lacks_guest
from nova_xloud.core.instance.status import status_from_database
from nova_xloud.core.sizing.bounds import bounds_of
from nova_xloud.errors import HostUnavailable, HostUnsupported, PlacementUnavailable, Refused
from nova_xloud.rpc.client import XloudAPI

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class AdjustmentAPI:
    """The operations of nova-xloud in nova-api, beside ``nova.compute.api.API``.

    The decorators of ``nova.compute.api`` check the state and the host of the server.
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

        If the server grows, the quota of its project and user is checked first, unless all that
        grows is unlimited.

        :raises Refused: the quota or the compute host refuses the adjustment, the host is down or
            does not answer, or what the quota needs cannot be read
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
        LOG.info("Instance %s: host %s has admitted the adjustment.", instance.uuid, instance.host)

    @compute_api.check_instance_state(
        vm_state=[vm_states.ACTIVE, vm_states.PAUSED, vm_states.STOPPED]
    )
    def plan(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Return what :meth:`xloud_adjust` would do, and change nothing.

        If the quota or the host would not admit the adjustment, the refusal is in the result and
        not raised.

        :returns: see :meth:`nova_xloud.compute.host.Host.plan`
        :raises Refused: the plan cannot be made: the compute host is down, does not answer or is
            too old, the server is no longer there or is being changed, or the guest or Placement
            does not answer
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
        """Adjust a server with a recheck of the quota, as ``[quota] recheck_quota`` asks for.

        Other requests of the project may have passed the first check at the same moment. So the
        host first reserves what this one needs, which makes it count, and the quota is checked
        again. The host then admits by what it read when it reserved. If anything fails, the host
        releases what it reserved. A host that is too old to reserve admits without the recheck.

        :raises Refused: the quota or the host refuses the adjustment, or the host does not answer
        """
        try:
            self._rpc.reserve(context, instance, request)
        except HostUnsupported:
            # An older nova-xloud cannot reserve. Without nova-xloud, adjust() is refused as well.
            self._rpc.adjust(context, instance, request)
            return
        except BaseException as error:
            if _may_be_reserved(error):
                self._rpc.unreserve(context, instance)
            raise
        try:
            _check_quota(limit, is_held=True)
            self._rpc.adjust(context, instance, request)
        except BaseException:
            # Whatever the error is, also the end of this thread. An adjustment without an answer
            # may have been admitted: what it needs is desired then, so a run does not release it.
            # If unreserve() is lost too, a pass of the host releases the claim.
            self._rpc.unreserve(context, instance)
            raise

    def _check_free(self, context: Any, instance: Any) -> None:
        if instance.locked:
            raise exception.InstanceIsLocked(instance_uuid=instance.uuid)
        if not self._host_is_up(context, instance):
            raise HostUnavailable("the server's compute host is down; nothing was changed")

    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the body of ``xloud_status``, from the compute host or else from the database.

        The database is used if the server is on no host, or its host is down, does not answer in
        time, or cannot read the guest (``HostUnavailable``).

        :raises Refused: any other refusal of the host, for example because Placement does not
            answer, or because the host runs without nova-xloud
        """
        if self._host_is_up(context, instance):
            try:
                told = self._rpc.status(context, instance)
                told.pop("definition", None)
                return told
            except HostUnavailable:
                # The host went down just now or is overloaded: the database is still right.
                return self._recorded(instance)
        return self._recorded(instance)

    def _recorded(self, instance: Any) -> dict[str, Any]:
        facts = nova_objects.facts_of_instance(instance)
        # A server that is on no host (shelved and offloaded) has no claim.
        state = InstanceState(
            desired=nova_objects.desired_of(instance, facts),
            reserved=nova_objects.recorded_size(instance) if instance.host else NOTHING,
            guest=None,
            lacks_guest=lacks_guest(instance.vm_state, instance.task_state, is_known=False),
        )
        return status_from_database(state, bounds_of(facts), utc_now())

    def _host_is_up(self, context: Any, instance: Any) -> bool:
        try:
            self._check_host(context, instance)
        except (exception.ServiceUnavailable, exception.InstanceNotReady):
            return False
        return True

    @compute_api.check_instance_host(check_is_up=True)
    def _check_host(self, context: Any, instance: Any) -> None:
        """Do nothing: the decorator raises if the host is down or the instance is on no host."""


def _may_be_reserved(error: BaseException) -> bool:
    """Return whether a failed ``reserve`` may have claimed nevertheless.

    That is so if the compute host or Placement gave no answer, and after any error that is not a
    :class:`Refused`.
    """
    is_answer = isinstance(error, Refused)
    return not is_answer or isinstance(error, HostUnavailable | PlacementUnavailable)


def _check_quota(limit: Quota, *, is_held: bool = False) -> None:
    refusal = limit.refusal(is_held=is_held)
    if refusal is not None:
        raise refusal
