# SPDX-License-Identifier: Apache-2.0
"""The page of the panel: all hosts, from two lists that Nova has."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from horizon import exceptions

from xloud_dashboard import api, hypervisors, permissions
from xloud_dashboard.elastic_hosts.capacity import MEANINGS, hosts_of


class IndexView(TemplateView):
    """What is claimed and promised on each compute host."""

    template_name = "xloud_dashboard/elastic_hosts.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the template needs.

        :raises horizon.exceptions.NotAuthorized: a rule does not allow it
        """
        if not permissions.may(self.request, permissions.ALL_PROJECTS):
            raise exceptions.NotAuthorized()
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["page_title"] = _("Elastic hosts")
        try:
            servers = list(api.xloud(self.request).recorded_servers(all_projects=True))
            sizes = hypervisors.sizes(api.connection(self.request).compute)
        except api.ERRORS as error:
            return context | {"problem": api.Problem.of(error)}
        return context | {
            "hosts": hosts_of(servers, sizes or {}),
            "meanings": MEANINGS,
            "is_without_sizes": sizes is None,
        }
