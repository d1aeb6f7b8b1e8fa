# SPDX-License-Identifier: Apache-2.0
"""Check whether an adjustment fits the quota: in nova-api, or in nova-conductor for a compute host.

With Nova's own limits, the quotas of the server's project and of the server's user count. With
unified limits in Keystone, only the quota of the project counts. Whether a server grows is decided
by what its record desires: the size that was admitted last. What is reserved already is a part of
the usage and is not added once more. That is the size in the columns ``vcpus`` and ``memory_mb`` of
the instance, which the compute host keeps so (:mod:`nova_xloud.adapters.record`); another request
may have reserved it, whose quota is not rechecked yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import nova.conf
import requests
from keystoneauth1 import exceptions as ks_exc
from nova import exception, objects
from nova.limit import placement as placement_limits
from nova.limit import utils as limit_utils
from nova.quota import QUOTAS
from openstack.exceptions import SDKException
from oslo_limit import exception as limit_exceptions

from nova_xloud import releases
from nova_xloud.adapters import nova_objects
from nova_xloud.core.convergence.plan import AdjustRequest, desired_after
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import quota
from nova_xloud.core.sizing.bounds import FlavorFacts, bounds_of
from nova_xloud.errors import NotFound, PlacementUnavailable, QuotaExceeded

CONF = nova.conf.CONF


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a server by an adjustment.

    :ivar project_id: the server's project, whoever sent the request
    :ivar user_id: the server's user, whoever sent the request
    :ivar facts: the facts of the server's flavor and image
    :ivar admitted: the size from which the server grows: what its record claims, at most ``held``
    :ivar held: the size that is reserved for the server now, by its instance's columns
    :ivar wanted: the size that has to be claimed for the adjustment
    """

    project_id: str
    user_id: str
    facts: FlavorFacts
    admitted: Size
    held: Size
    wanted: Size


def growth_of(instance: Any, request: AdjustRequest) -> Growth | None:
    """Return by how much ``request`` makes a ``nova.objects.Instance`` grow, for the quota check.

    :returns: None if no quota has to be checked: because nothing grows, or because the size is
        above the flavor's, so that the host will refuse it
    """
    facts = nova_objects.facts_of_instance(instance)
    held, desired = nova_objects.recorded_size(instance), nova_objects.desired_of(instance, facts)
    wanted = desired_after(request, desired, desired).claim
    admitted = desired.claim.at_most(held)
    if admitted.covers(wanted) or not bounds_of(facts).maximum.covers(wanted):
        return None
    return Growth(instance.project_id, instance.user_id, facts, admitted, held, wanted)


def refusal_of_growth(context: Any, uuid: str, size: Size) -> QuotaExceeded | None:
    """Return why the quota does not allow automatic growth of an instance to ``size``.

    nova-conductor calls this for a compute host.

    :param uuid: an instance of the cell of this nova-conductor
    :returns: the refusal, which is not raised; None if the quota allows the growth, or no quota
        has to be checked
    :raises NotFound: the instance was deleted
    :raises PlacementUnavailable: as in :func:`refusal`
    """
    try:
        instance = objects.Instance.get_by_uuid(
            context, uuid, expected_attrs=["flavor", "system_metadata"]
        )
    except exception.InstanceNotFound as error:
        raise NotFound(f"instance {uuid} was deleted") from error
    growth = growth_of(instance, AdjustRequest(size.vcpus, size.memory_mb, automatic=True))
    return None if growth is None else refusal(context, growth)


class Quota(Protocol):
    """The quota that a growth has to fit: of Nova's own limits, or of Keystone's unified limits."""

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        """Return why the quota does not allow the growth, with the numbers; None if it allows it.

        :param is_held: whether the growth is reserved already, so that the usage includes it
        :raises PlacementUnavailable: the limits could not be read from Keystone, or the usage could
            not be read from Placement
        """


def quota_of(context: Any, growth: Growth) -> Quota | None:
    """Return the quota that a growth has to fit; the limits are read, and no usage is counted.

    :returns: None if all that grows is unlimited; with unified limits also if no amount in
        Placement grows, because the flavor fixes the amounts (``resources:VCPU``)
    :raises PlacementUnavailable: the unified limits could not be read from Keystone
    """
    if limit_utils.use_unified_limits():
        with _keystone_answered():
            return _by_class(context, growth)
    return _by_cores_and_ram(context, growth)


def refusal(context: Any, growth: Growth) -> QuotaExceeded | None:
    """Return why the quota does not allow a growth that is not reserved yet.

    :returns: the refusal, which is not raised; None if the growth fits, or no quota limits it
    :raises PlacementUnavailable: the limits could not be read from Keystone, or the usage could not
        be read from Placement
    """
    limit = quota_of(context, growth)
    return None if limit is None else limit.refusal()


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except (exception.UsagesRetrievalFailed, ks_exc.ClientException) as error:
        raise PlacementUnavailable(f"the quota could not be checked: {error}") from error


# oslo.limit raises the last three too: it expects the right JSON in each answer of Keystone.
_NO_LIMITS = (
    SDKException,
    requests.RequestException,
    limit_exceptions.SessionInitError,
    LookupError,
    TypeError,
    ValueError,
)


@contextlib.contextmanager
def _keystone_answered() -> Iterator[None]:
    """Raise ``PlacementUnavailable`` for what oslo.limit raises if Keystone has no usable answer.

    Keystone may be away, or answer with an error; something before Keystone may answer in its
    place, with a page of HTML; or Keystone has no limits for Nova's endpoint.
    """
    try:
        with _answered():
            yield
    except _NO_LIMITS as error:
        raise PlacementUnavailable(
            f"the quota could not be checked, because Keystone did not return its limits "
            f"({type(error).__name__}: {error})"
        ) from error


def _by_cores_and_ram(context: Any, growth: Growth) -> Quota | None:
    more = quota.Demand.of(
        *(quota.legacy_amounts(size) for size in (growth.admitted, growth.held, growth.wanted))
    )
    # The project's limits come first: if there is one, as usual, the user's are not read.
    limits = QUOTAS.get_project_quotas(context, growth.project_id, usages=False)
    if not _limited(limits, more.asked):
        limits = QUOTAS.get_user_quotas(context, growth.project_id, growth.user_id, usages=False)
        if not _limited(limits, more.asked):
            return None
    return _CoresAndRam(context, growth, more)


def _limited(limits: Mapping[str, Mapping[str, int]], more: Iterable[str]) -> bool:
    return any(limits[name]["limit"] >= 0 for name in more)


@dataclass(frozen=True, slots=True)
class _CoresAndRam:
    """The quota of Nova's own limits for ``cores`` and ``ram``, of the project and of the user."""

    context: Any
    growth: Growth
    more: quota.Demand

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        deltas = self.more.deltas(is_held=is_held)
        try:
            with _answered():
                objects.Quotas.check_deltas(
                    self.context,
                    deltas,
                    self.growth.project_id,
                    user_id=self.growth.user_id,
                    check_project_id=self.growth.project_id,
                    check_user_id=self.growth.user_id,
                )
        except exception.OverQuota as over:
            usages, quotas = over.kwargs["usages"], over.kwargs["quotas"]
            excesses = [
                quota.Excess(name, asked, usages[name] - (asked - deltas[name]), quotas[name])
                for name, asked in self.more.asked.items()
                if name in over.kwargs["overs"]
            ]
            return quota.refusal(excesses, releases.whose_quota(over))
        return None


def _by_class(context: Any, growth: Growth) -> Quota | None:
    as_vcpu = CONF.workarounds.unified_limits_count_pcpu_as_vcpu
    more = quota.Demand.of(
        *(
            quota.class_amounts(size, growth.facts, pcpu_as_vcpu=as_vcpu)
            for size in (growth.admitted, growth.held, growth.wanted)
        )
    )
    if not more.asked:
        # The flavor's extra specs fix the amounts in Placement; the host refuses with that reason.
        return None
    enforcer = placement_limits._get_enforcer(context, growth.project_id)
    # Read once: the enforcer caches the limits for the checks of the quota that follow.
    limits = enforcer.get_project_limits(growth.project_id, sorted(more.asked))
    if all(limit < 0 for _, limit in limits):
        return None
    return _Classes(enforcer, growth, more)


@dataclass(frozen=True, slots=True)
class _Classes:
    """The quota of Keystone's unified limits by resource class, which oslo.limit enforces."""

    enforcer: Any
    growth: Growth
    more: quota.Demand

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        deltas = self.more.deltas(is_held=is_held)
        try:
            with _keystone_answered():
                self.enforcer.enforce(self.growth.project_id, deltas)
        except limit_exceptions.ProjectOverLimit as over:
            if not releases.should_enforce(over):
                return None
            excesses = [
                _excess(one, self.more.asked[one.resource_name], deltas[one.resource_name])
                for one in over.over_limit_info_list
                # In Keystone -1 means unlimited, but oslo.limit takes any usage as more than -1.
                if one.limit >= 0
            ]
            return quota.refusal(excesses, "project")
        return None


def _excess(over: Any, asked: int, added: int) -> quota.Excess:
    used = over.current_usage - (asked - added)
    return quota.Excess(over.resource_name, asked, used, over.limit)
