# SPDX-License-Identifier: Apache-2.0
"""The page of the panel: all hosts, from two lists that Nova has."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from horizon import exceptions

from xloud_dashboard import api, permissions
from xloud_dashboard.elastic_hosts.capacity import hosts_of

# The last one in which Nova tells how large a hypervisor is.
_MICROVERSION = "2.87"


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
            return context | {"hosts": hosts_of(servers, self._hypervisors())}
        except api.ERRORS as error:
            return context | {"problem": api.Problem.of(error)}

    def _hypervisors(self) -> list[Any]:
        """Return Nova's list; empty if Nova does not answer, or does not let the user see it."""
        compute = api.connection(self.request).compute
        answer = compute.get("/os-hypervisors/detail", microversion=_MICROVERSION)
        return list(answer.json()["hypervisors"]) if answer.status_code == 200 else []
