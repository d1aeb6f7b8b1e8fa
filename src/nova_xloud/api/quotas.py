# SPDX-License-Identifier: Apache-2.0
"""Check whether an adjustment fits the quota of the server's project and user.

The quota is that of Nova's own limits or of unified limits in Keystone. It counts what instances
hold. The API reads that from the instance's own columns, which the compute host keeps at what is
reserved for the instance (:mod:`nova_xloud.adapters.record`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import nova.conf
from keystoneauth1 import exceptions as ks_exc
from nova import exception, objects
from nova.limit import placement as placement_limits
from nova.limit import utils as limit_utils
from nova.quota import QUOTAS
from oslo_limit import exception as limit_exceptions

from nova_xloud import releases
from nova_xloud.adapters import nova_objects
from nova_xloud.core.convergence.plan import AdjustRequest, desired_after
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import quota
from nova_xloud.core.sizing.bounds import FlavorFacts, bounds_of
from nova_xloud.errors import PlacementUnavailable, QuotaExceeded

CONF = nova.conf.CONF


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a server by an adjustment.

    :ivar project_id: the server's project, whoever sent the request
    :ivar user_id: the server's user, whoever sent the request
    :ivar facts: the facts of the server's flavor and image
    :ivar held: what the server holds now, by its columns
    :ivar wanted: what will be claimed for the server
    """

    project_id: str
    user_id: str
    facts: FlavorFacts
    held: Size
    wanted: Size


def growth_of(instance: Any, request: AdjustRequest) -> Growth | None:
    """Return the growth of a ``nova.objects.Instance`` by ``request``, for the check of quotas.

    :returns: None if no quota has to be checked: nothing grows, or the size is above the flavor's,
        which the host refuses with a reason
    """
    facts = nova_objects.facts_of_instance(instance)
    held, desired = nova_objects.recorded_size(instance), nova_objects.desired_of(instance, facts)
    wanted = desired_after(request, desired, desired).claim
    if held.covers(wanted) or not bounds_of(facts).maximum.covers(wanted):
        return None
    return Growth(instance.project_id, instance.user_id, facts, held, wanted)


class Quota(Protocol):
    """A quota that a growth has to fit: by Nova's own limits, or by unified limits of Keystone."""

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        """Return why the quota does not allow the growth, with the numbers; None if it does.

        :param is_held: the growth is already reserved, so the usage includes it
        :raises PlacementUnavailable: Placement, where usage may be counted, or Keystone did not
            answer
        """


def quota_of(context: Any, growth: Growth) -> Quota | None:
    """Return the quota that a growth has to fit, without counting any usage.

    :returns: None if all that grows is unlimited, or with unified limits if no amount in Placement
        grows, because the flavor fixes it
    :raises PlacementUnavailable: Keystone, which has the unified limits, did not answer
    """
    if limit_utils.use_unified_limits():
        with _answered():
            return _by_class(context, growth)
    return _by_cores_and_ram(context, growth)


def refusal(context: Any, growth: Growth) -> QuotaExceeded | None:
    """Return why the quota does not allow a growth that is not reserved yet.

    :returns: the refusal, which is returned and not raised; None if the growth fits or is unlimited
    :raises PlacementUnavailable: the limits or the usage could not be read
    """
    limit = quota_of(context, growth)
    return None if limit is None else limit.refusal()


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except (exception.UsagesRetrievalFailed, ks_exc.ClientException) as error:
        raise PlacementUnavailable(f"usage could not be counted for the quota: {error}") from error


def _by_cores_and_ram(context: Any, growth: Growth) -> Quota | None:
    more = quota.growth(quota.legacy_amounts(growth.held), quota.legacy_amounts(growth.wanted))
    # The project's limits come first: if there is one, as usual, the user's are not read.
    limits = QUOTAS.get_project_quotas(context, growth.project_id, usages=False)
    if not _limited(limits, more):
        limits = QUOTAS.get_user_quotas(context, growth.project_id, growth.user_id, usages=False)
        if not _limited(limits, more):
            return None
    return _CoresAndRam(context, growth, more)


def _limited(limits: Mapping[str, Mapping[str, int]], more: Iterable[str]) -> bool:
    return any(limits[name]["limit"] >= 0 for name in more)


@dataclass(frozen=True, slots=True)
class _CoresAndRam:
    """The quota of cores and ram by Nova's own limits, of the project and of the user."""

    context: Any
    growth: Growth
    more: Mapping[str, int]

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        try:
            with _answered():
                objects.Quotas.check_deltas(
                    self.context,
                    dict.fromkeys(self.more, 0) if is_held else dict(self.more),
                    self.growth.project_id,
                    user_id=self.growth.user_id,
                    check_project_id=self.growth.project_id,
                    check_user_id=self.growth.user_id,
                )
        except exception.OverQuota as over:
            usages, quotas = over.kwargs["usages"], over.kwargs["quotas"]
            excesses = [
                quota.Excess(name, asked, usages[name] - (asked if is_held else 0), quotas[name])
                for name, asked in self.more.items()
                if name in over.kwargs["overs"]
            ]
            return quota.refusal(excesses, releases.whose_quota(over))
        return None


def _by_class(context: Any, growth: Growth) -> Quota | None:
    as_vcpu = CONF.workarounds.unified_limits_count_pcpu_as_vcpu
    held, wanted = (
        quota.class_amounts(size, growth.facts, pcpu_as_vcpu=as_vcpu)
        for size in (growth.held, growth.wanted)
    )
    more = quota.growth(held, wanted)
    if not more:
        # The flavor's extra specs fix the amounts in Placement; the host refuses with that reason.
        return None
    enforcer = placement_limits._get_enforcer(context, growth.project_id)
    # Read once: the enforcer caches the limits for the checks of the quota that follow.
    limits = enforcer.get_project_limits(growth.project_id, sorted(more))
    if all(limit < 0 for _, limit in limits):
        return None
    return _Classes(enforcer, growth, more)


@dataclass(frozen=True, slots=True)
class _Classes:
    """The quota by unified limits in Keystone, as oslo.limit enforces them."""

    enforcer: Any
    growth: Growth
    more: Mapping[str, int]

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        deltas = dict.fromkeys(self.more, 0) if is_held else dict(self.more)
        try:
            with _answered():
                self.enforcer.enforce(self.growth.project_id, deltas)
        except limit_exceptions.ProjectOverLimit as over:
            if not releases.should_enforce(over):
                return None
            excesses = [
                _excess(one, self.more[one.resource_name], is_held=is_held)
                for one in over.over_limit_info_list
                # In Keystone -1 means unlimited, but oslo.limit takes any usage as more than -1.
                if one.limit >= 0
            ]
            return quota.refusal(excesses, "project")
        return None


def _excess(over: Any, asked: int, *, is_held: bool) -> quota.Excess:
    used = over.current_usage - (asked if is_held else 0)
    return quota.Excess(over.resource_name, asked, used, over.limit)
