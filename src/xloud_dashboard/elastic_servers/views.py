# SPDX-License-Identifier: Apache-2.0
"""The page of the panel: a page of servers in one request, and their totals."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.utils.translation import gettext_lazy as _
from horizon import tables

from nova_xloud.client import RecordedServer
from xloud_dashboard import api, quota
from xloud_dashboard.config import config
from xloud_dashboard.elastic_servers.tables import ServersTable
from xloud_dashboard.size.totals import Totals


class IndexView(tables.PagedTableMixin, tables.DataTableView):
    """The sizes of a project's servers."""

    table_class = ServersTable
    template_name = "xloud_dashboard/elastic_servers.html"
    page_title = _("Elastic servers")

    def get_data(self) -> list[RecordedServer]:
        """Return one page of servers, newest first, as they were recorded last."""
        marker, _order = self._get_marker()
        most = config().servers_per_page
        try:
            found = list(api.xloud(self.request).recorded_servers(most + 1, marker=marker))
        except api.ERRORS as error:
            problem = api.Problem.of(error)
            text = ": ".join(filter(None, (problem.code, problem.message)))
            messages.error(self.request, f"{text} {problem.advice}")
            return []
        self._has_more_data = len(found) > most
        return found[:most]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the template needs."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        is_part = self._has_more_data or self._get_marker()[0] is not None
        context["totals"] = Totals.of(self.table.data)
        context["is_part"] = is_part
        if self.table.data:
            context |= self._quota()
        return context

    def _quota(self) -> dict[str, Any]:
        """Return the quota for the template, or why there is none."""
        try:
            return {"quota": quota.limits(api.connection(self.request).compute)}
        except api.ERRORS as error:
            return {"quota_problem": api.Problem.of(error)}
