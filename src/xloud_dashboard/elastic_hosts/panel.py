# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic hosts."""

from __future__ import annotations

from typing import Any

import horizon
from django.utils.translation import gettext_lazy as _

from xloud_dashboard import permissions


class ElasticHosts(horizon.Panel):
    """What is claimed and promised on each compute host."""

    name = _("Elastic hosts")
    slug = "elastic_hosts"
    permissions = ("openstack.services.compute",)

    def allowed(self, context: Any) -> bool:
        """Return whether the user may see sizes of servers of all projects."""
        request = context["request"]
        return permissions.may(request, permissions.ALL_PROJECTS) and bool(super().allowed(context))
