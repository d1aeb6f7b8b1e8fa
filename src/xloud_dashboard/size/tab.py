# SPDX-License-Identifier: Apache-2.0
"""The tab Size, which Horizon adds to Nova's own pages of a server (``EXTRA_TABS``)."""

from __future__ import annotations

from typing import Any

from django.middleware.csrf import get_token
from django.utils.translation import gettext_lazy as _
from horizon import tabs

from xloud_dashboard import permissions
from xloud_dashboard.size.forms import ADMIN, PROJECT
from xloud_dashboard.size.page import Shown, tab_context


class SizeTab(tabs.Tab):
    """The size of the server, on its page in the dashboard Project."""

    name = _("Size")
    slug = "xloud_size"
    template_name = "xloud_dashboard/_tab.html"
    # Read when it is opened, and not with each page of a server.
    preload = False
    back = PROJECT

    def allowed(self, request: Any) -> bool:
        """Return whether the user may see sizes of the server's project."""
        instance = self.tab_group.kwargs["instance"]
        return permissions.may(request, permissions.STATUS, instance.tenant_id)

    def get_context_data(self, request: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what the template needs."""
        instance = self.tab_group.kwargs["instance"]
        shown = Shown(instance.id, instance.name, instance.tenant_id, self.back)
        # Horizon renders a tab without the request, which the tag csrf_token needs.
        return tab_context(request, shown) | {"csrf_token": get_token(request)}


class AdminSizeTab(SizeTab):
    """The size of the server, on its page in the dashboard Admin."""

    back = ADMIN
