# SPDX-License-Identifier: Apache-2.0
"""What the user may do, by the rules that Horizon has: they decide what a page offers.

The API decides again, by Nova's own rules.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from openstack_dashboard import policy

from xloud_dashboard.config import POLICY_SCOPE

ADJUST = "os_compute_api:xloud:adjust"
STATUS = "os_compute_api:xloud:status"
ALL_PROJECTS = "os_compute_api:xloud:status:all_projects"


def may(request: Any, rule: str, project_id: str | None = None) -> bool:
    """Return whether a rule of nova-xloud allows it to the user.

    Horizon allows what it has no rule for. Without the rules of nova-xloud this is False.

    :param project_id: the project of the server; None: the user's own
    """
    has_rules = POLICY_SCOPE in settings.POLICY_FILES and (
        POLICY_SCOPE in settings.DEFAULT_POLICY_FILES
    )
    if not has_rules and getattr(settings, "POLICY_CHECK_FUNCTION", None):
        return False
    return _check(request, POLICY_SCOPE, rule, project_id)


def may_in_nova(request: Any, rule: str, project_id: str | None) -> bool:
    """Return whether a rule of Nova itself allows it to the user."""
    return _check(request, "compute", rule, project_id)


def _check(request: Any, scope: str, rule: str, project_id: str | None) -> bool:
    target = {} if project_id is None else {"project_id": project_id}
    return bool(policy.check(((scope, rule),), request, target))
