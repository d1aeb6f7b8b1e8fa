# SPDX-License-Identifier: Apache-2.0
"""Whether an adjustment fits the quota of the server's project, by each of Nova's drivers.

A quota counts what instances hold. At the API that is in the instance's own columns, which the
compute host keeps so (:mod:`nova_xloud.adapters.record`).
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
    """What an adjustment makes a server hold more.

    :ivar project_id: the server's, whoever asks
    :ivar user_id: the server's, whoever asks
    """

    project_id: str
    user_id: str
    facts: FlavorFacts
    held: Size
    wanted: Size


def growth_of(instance: Any, request: AdjustRequest) -> Growth | None:
    """What ``request`` makes a ``nova.objects.Instance`` hold more; None: no quota is asked.

    That is where nothing grows, and above the flavor's size: the host refuses that, and says why.
    """
    facts = nova_objects.facts_of_instance(instance)
    held, desired = nova_objects.recorded_size(instance), nova_objects.desired_of(instance, facts)
    wanted = desired_after(request, desired, desired).claim
    if held.covers(wanted) or not bounds_of(facts).maximum.covers(wanted):
        return None
    return Growth(instance.project_id, instance.user_id, facts, held, wanted)


class Quota(Protocol):
    """What limits a growth."""

    def refusal(self, *, is_held: bool = False) -> QuotaExceeded | None:
        """Why it does not allow the growth, with the numbers; None if it does.

        :param is_held: the growth is reserved already, and so among what is counted
        :raises PlacementUnavailable: usage is counted there, and it did not answer
        """


def quota_of(context: Any, growth: Growth) -> Quota | None:
    """The quota that a growth has to fit; None: all that grows is unlimited. Nothing is counted.

    :raises PlacementUnavailable: Keystone, which has the limits, did not answer
    """
    if limit_utils.use_unified_limits():
        with _answered():
            return _by_class(context, growth)
    return _by_cores_and_ram(context, growth)


def refusal(context: Any, growth: Growth) -> QuotaExceeded | None:
    """Why no quota allows a growth that is not reserved; None if it fits, or is unlimited.

    :raises PlacementUnavailable: as :func:`quota_of` and :meth:`Quota.refusal`
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
    # Of the project first: where that has a limit, which is usual, the user's is not read.
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
    """Limits of Nova's own database."""

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
        # The flavor fixes what Placement holds of it, and the host says so.
        return None
    enforcer = placement_limits._get_enforcer(context, growth.project_id)
    # Asked for once: it keeps the limits, which the looks at the quota use.
    limits = enforcer.get_project_limits(growth.project_id, sorted(more))
    if all(limit < 0 for _, limit in limits):
        return None
    return _Classes(enforcer, growth, more)


@dataclass(frozen=True, slots=True)
class _Classes:
    """Limits of Keystone, as oslo.limit enforces them."""

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
                # oslo.limit finds everything to be more than -1, which is Keystone's unlimited.
                if one.limit >= 0
            ]
            return quota.refusal(excesses, "project")
        return None


def _excess(over: Any, asked: int, *, is_held: bool) -> quota.Excess:
    used = over.current_usage - (asked if is_held else 0)
    return quota.Excess(over.resource_name, asked, used, over.limit)
