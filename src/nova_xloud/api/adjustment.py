# SPDX-License-Identifier: Apache-2.0
"""What the API checks before it asks the compute host, and the asking."""

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
    """Beside ``nova.compute.api.API``, and checked by its own decorators."""

    def __init__(self) -> None:
        # The name is what check_instance_host() looks for.
        self.servicegroup_api = servicegroup.API()

    @functools.cached_property
    def _rpc(self) -> XloudAPI:
        return XloudAPI()

    @compute_api.check_instance_state(
        vm_state=[vm_states.ACTIVE, vm_states.PAUSED, vm_states.STOPPED]
    )
    def xloud_adjust(self, context: Any, instance: Any, request: AdjustRequest) -> None:
        """Adjust a server; returns when it is admitted.

        Where it grows, the quota of the server's project and user is looked at first, unless
        all that grows is unlimited.

        :raises Refused:
        :raises nova.exception.InstanceIsLocked: for an admin too: who locked it meant it
        :raises nova.exception.InstanceInvalidState:
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
        LOG.info("Instance %s: host %s has admitted it.", instance.uuid, instance.host)

    @compute_api.check_instance_state(
        vm_state=[vm_states.ACTIVE, vm_states.PAUSED, vm_states.STOPPED]
    )
    def plan(self, context: Any, instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """What :meth:`xloud_adjust` would do; changes nothing. Raises as that does."""
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
        """Others of the project may have been let through at the same moment: what it needs is
        reserved, so that theirs and this are counted, and the quota is looked at once more. The
        host then admits by what it read when it reserved.
        """
        try:
            self._rpc.reserve(context, instance, request)
        except HostUnsupported:
            # An older one cannot. One without nova-xloud says so again.
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
            # Whatever it is, the end of this thread too. An adjustment that has got no answer may
            # have been admitted: what that needs is desired then, and a run does not release it.
            # Were this lost too, a pass over the host would find it.
            self._rpc.unreserve(context, instance)
            raise

    def _check_free(self, context: Any, instance: Any) -> None:
        if instance.locked:
            raise exception.InstanceIsLocked(instance_uuid=instance.uuid)
        if not self._host_is_up(context, instance):
            raise HostUnavailable("its compute host is down; nothing was changed")

    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """The body of ``xloud_status``: from the host, or without it from the database."""
        if self._host_is_up(context, instance):
            try:
                told = self._rpc.status(context, instance)
                told.pop("definition", None)
                return told
            except HostUnavailable:
                # It went down just now, or cannot keep up: what is recorded is still true.
                return self._recorded(instance)
        return self._recorded(instance)

    def _recorded(self, instance: Any) -> dict[str, Any]:
        facts = nova_objects.facts_of_instance(instance)
        # One that is on no host, shelved and offloaded, has no claim.
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
        """Only for its decorator."""


def _may_be_reserved(error: BaseException) -> bool:
    """Whether ``reserve`` may have claimed all the same: it, or Placement, gave no answer."""
    is_answer = isinstance(error, Refused)
    return not is_answer or isinstance(error, HostUnavailable | PlacementUnavailable)


def _check_quota(limit: Quota, *, is_held: bool = False) -> None:
    refusal = limit.refusal(is_held=is_held)
    if refusal is not None:
        raise refusal
