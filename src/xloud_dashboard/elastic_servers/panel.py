# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic servers."""

from __future__ import annotations

from typing import Any

import horizon
from django.utils.translation import gettext_lazy as _

from xloud_dashboard import permissions


class ElasticServers(horizon.Panel):
    """The sizes of all servers of a project."""

    name = _("Elastic servers")
    slug = "elastic_servers"
    permissions = ("openstack.services.compute",)

    def allowed(self, context: Any) -> bool:
        """Return whether the user may see sizes of the project's servers."""
        request = context["request"]
        return permissions.may(request, permissions.STATUS) and bool(super().allowed(context))
