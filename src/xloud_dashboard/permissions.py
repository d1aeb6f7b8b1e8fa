# SPDX-License-Identifier: Apache-2.0
"""What the user may do, by the rules that Horizon has: they decide what a page offers.

Horizon allows what it has no rule for: where a file of rules is missing, cannot be read or lacks a
rule. The plugin allows nothing there. The API decides again, by Nova's own rules.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from openstack_auth import policy as horizons_rules
from openstack_dashboard import policy

from xloud_dashboard.config import POLICY_SCOPE

LOG = logging.getLogger(__name__)

ADJUST = "os_compute_api:xloud:adjust"
AUTOSCALE = "os_compute_api:xloud:autoscale"
STATUS = "os_compute_api:xloud:status"
ALL_PROJECTS = "os_compute_api:xloud:status:all_projects"
# The rules of nova-xloud that the pages ask for.
ASKED_FOR = (ADJUST, AUTOSCALE, STATUS, ALL_PROJECTS)


def may(request: Any, rule: str, project_id: str | None = None) -> bool:
    """Return whether a rule of nova-xloud allows it to the user.

    False where Horizon does not have the rule, or cannot read its rules.

    :param project_id: the project of the server; None: the user's own
    """
    return _check(request, POLICY_SCOPE, rule, project_id)


def may_in_nova(request: Any, rule: str, project_id: str | None) -> bool:
    """Return whether a rule of Nova itself allows it to the user.

    False where Horizon does not have the rule, or cannot read its rules.
    """
    return _check(request, "compute", rule, project_id)


def has_rule(scope: str, rule: str) -> bool:
    """Return whether Horizon has loaded a rule.

    Horizon loads all rules once, when it is asked for the first of them.

    :raises Exception: of any class: a file of rules is one that Horizon fails on
    """
    enforcer = horizons_rules._get_enforcer().get(scope)
    return enforcer is not None and rule in enforcer.rules


def _check(request: Any, scope: str, rule: str, project_id: str | None) -> bool:
    if not getattr(settings, "POLICY_CHECK_FUNCTION", None):
        return True  # Horizon's way to leave every decision to the API
    target = {} if project_id is None else {"project_id": project_id}
    try:
        return has_rule(scope, rule) and bool(policy.check(((scope, rule),), request, target))
    except Exception:
        LOG.exception("Horizon's rules of %s cannot be used; %s is not allowed", scope, rule)
        return False
