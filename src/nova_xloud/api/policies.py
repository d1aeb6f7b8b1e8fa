# SPDX-License-Identifier: Apache-2.0
"""The policies of nova-xloud: who may adjust servers, let them scale by themselves, and look."""

from __future__ import annotations

from typing import Any

from nova import policy as nova_policy
from nova.policies import base
from oslo_policy import policy

ADJUST = "os_compute_api:xloud:adjust"
AUTOSCALE = "os_compute_api:xloud:autoscale"
STATUS = "os_compute_api:xloud:status"
ALL_PROJECTS = "os_compute_api:xloud:status:all_projects"

RULES = [
    policy.DocumentedRuleDefault(
        name=ADJUST,
        check_str=base.ADMIN,
        description="Adjust the vCPUs and memory of a server",
        operations=[{"method": "POST", "path": "/os-xloud-adjust/{server_id}"}],
        scope_types=["project"],
    ),
    policy.DocumentedRuleDefault(
        name=AUTOSCALE,
        check_str=f"rule:{ADJUST}",
        description="Set the mode of a server's automatic growth, for which the caller must be "
        "allowed to adjust the server too. By default whoever may adjust may do it",
        operations=[{"method": "POST", "path": "/os-xloud-adjust/{server_id}"}],
        scope_types=["project"],
    ),
    policy.DocumentedRuleDefault(
        name=STATUS,
        check_str=base.PROJECT_READER_OR_ADMIN,
        description="Show the sizes, bounds and conditions of servers, and their last adjustments",
        operations=[
            {"method": "GET", "path": "/servers/{server_id}/xloud-status"},
            {"method": "GET", "path": "/servers/{server_id}/xloud-history"},
            {"method": "GET", "path": "/os-xloud-servers"},
        ],
        scope_types=["project"],
    ),
    policy.DocumentedRuleDefault(
        name=ALL_PROJECTS,
        check_str=base.ADMIN,
        description="List the sizes of servers of another project, of all projects, or of a "
        "compute host, and see the compute host of each",
        operations=[{"method": "GET", "path": "/os-xloud-servers"}],
        scope_types=["project"],
    ),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the policies of nova-xloud.

    Nova's policy enforcer gets them through :mod:`nova_xloud.seams.policies`, and
    ``oslopolicy-sample-generator --namespace nova-xloud`` calls this function.
    """
    return RULES


def get_enforcer() -> Any:
    """Return Nova's policy enforcer with the rules of nova-xloud.

    ``oslopolicy-policy-generator --namespace nova-xloud`` calls this function.
    """
    enforcer = nova_policy.get_enforcer()
    # In a process in which Nova is extended, the rules are registered already.
    known = enforcer.registered_rules
    enforcer.register_defaults([rule for rule in RULES if rule.name not in known])
    return enforcer
