# SPDX-License-Identifier: Apache-2.0
"""What the project's quota and the server's host have, beside what an adjustment would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from nova_xloud.client import Plan
from xloud_dashboard import api, hypervisors, permissions, quota

# Nova's rules for the quota of another project than the user's, and for the list of hypervisors.
_OTHER_PROJECT = "os_compute_api:limits:other_project"
_HYPERVISORS = "os_compute_api:os-hypervisors:list-detail"


def room(request: Any, shown: Any, plan: Plan) -> list[str]:
    """Return what is used of the quota and of the host, in sentences; none that may not be seen.

    :param shown: a :class:`xloud_dashboard.size.page.Shown`
    """
    return [*_of_quota(request, shown, plan), *_of_host(request, shown)]


def _of_quota(request: Any, shown: Any, plan: Plan) -> Iterator[str]:
    is_own = shown.project_id == request.user.project_id
    if not is_own and not permissions.may_in_nova(request, _OTHER_PROJECT, None):
        return
    try:
        limits = quota.limits(api.connection(request).compute, None if is_own else shown.project_id)
        more = _more(request, shown, plan)
    except api.ERRORS as error:
        yield _("The quota of the project cannot be shown: %s") % error
        return
    told = (limit.with_more(amount) for limit, amount in zip(limits, more, strict=True))
    yield _("Used of the project's quota: %s.") % "; ".join(told)


def _more(request: Any, shown: Any, plan: Plan) -> tuple[int, int]:
    """Return how many vCPUs and MiB more would be claimed; 0 and 0 if nothing would.

    The status, which has what is claimed now, is read only if the plan has a step that claims.
    """
    claims = any(step["step"] == "claim" for step in plan.steps)
    if plan.claim is None or not plan.admitted or not claims:
        return 0, 0
    reserved = api.xloud(request).get_status(shown).numbers.reserved
    return plan.claim.vcpus - reserved.vcpus, plan.claim.memory_mb - reserved.memory_mb


def _of_host(request: Any, shown: Any) -> Iterator[str]:
    """Yield what Nova counts on the host, which it tells of admins only."""
    if not shown.hypervisor or not permissions.may_in_nova(request, _HYPERVISORS, None):
        return
    try:
        found = hypervisors.sizes(api.connection(request).compute, shown.hypervisor)
    except api.ERRORS as error:
        yield _("What the host has cannot be shown: %s") % error
        return
    host = (found or {}).get(shown.host)
    if host is not None:
        yield _("Used of host %(host)s, as Nova counts: %(vcpus)s; %(memory)s.") % {
            "host": shown.host,
            "vcpus": quota.Limit("vCPUs", host.has.vcpus, host.used.vcpus).in_words,
            "memory": quota.Limit("MiB", host.has.memory_mb, host.used.memory_mb).in_words,
        }
