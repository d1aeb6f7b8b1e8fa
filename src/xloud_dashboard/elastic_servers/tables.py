# SPDX-License-Identifier: Apache-2.0
"""The table of the sizes of a project's servers, and what can be done to several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import messages
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from horizon import tables

from nova_xloud.client import RecordedServer
from xloud_dashboard import permissions
from xloud_dashboard.elastic_servers import asking, several
from xloud_dashboard.size.bars import Cell


class ToSize(tables.BatchAction):
    """The base of the actions that ask whether to adjust the selected servers, and to what size."""

    def allowed(self, request: Any, datum: RecordedServer | None = None) -> bool:
        """Return whether the user may adjust servers of the project."""
        project_id = datum.project_id if datum is not None else None
        return permissions.may(request, permissions.ADJUST, project_id)

    def handle(self, table: Any, request: Any, obj_ids: Sequence[str]) -> Any:
        """Answer with the page that asks, or with the table if there is nothing to adjust."""
        found = self.selected(table, request, obj_ids)
        return self.answer(request, found) or redirect(request.get_full_path())

    def answer(self, request: Any, servers: Iterator[RecordedServer]) -> Any:
        """Return the page that asks; None if there is nothing to adjust."""
        raise NotImplementedError

    def selected(
        self, table: Any, request: Any, obj_ids: Sequence[str]
    ) -> Iterator[RecordedServer]:
        """Yield the selected servers; what cannot be adjusted gets a message instead."""
        # DataTable.get_object_by_id leaves the page, and so this loop, if a server is gone.
        listed = {server.id: server for server in table.data}
        for server_id in obj_ids:
            server = listed.get(server_id)
            if server is None:
                told = _("Not adjusted, because it is not in the list: %s")
                messages.error(request, told % server_id)
            elif several.may_adjust(request, server):
                yield server


class ToMinimum(ToSize):
    """Shows the minimums that the flavors of servers name, and asks whether to adjust."""

    name = "to_minimum"

    @staticmethod
    def action_present(count: int) -> Any:
        """Return the label."""
        return ngettext_lazy("Shrink to the minimum", "Shrink to the minimum", count)

    @staticmethod
    def action_past(count: int) -> Any:
        """Return the label of what was done."""
        return ngettext_lazy("Shrunk to the minimum", "Shrunk to the minimum", count)

    def answer(self, request: Any, servers: Iterator[RecordedServer]) -> Any:
        """Return the page that asks; None if there is nothing to adjust."""
        return asking.smallest(request, servers)


class ToRecommendation(ToSize):
    """Shows the sizes that automatic growth recommends for servers, and asks whether to adjust."""

    name = "to_recommendation"

    @staticmethod
    def action_present(count: int) -> Any:
        """Return the label."""
        return ngettext_lazy("Adjust as recommended", "Adjust as recommended", count)

    @staticmethod
    def action_past(count: int) -> Any:
        """Return the label of what was done."""
        return ngettext_lazy("Adjusted as recommended", "Adjusted as recommended", count)

    def answer(self, request: Any, servers: Iterator[RecordedServer]) -> Any:
        """Return the page that asks; None if there is nothing to adjust."""
        return asking.recommended(request, servers)


def _link(server: RecordedServer) -> str:
    detail = reverse("horizon:project:instances:detail", args=[server.id])
    return f"{detail}?tab=instance_details__xloud_size"


def _cell(resource: str) -> Any:
    def rendered(server: RecordedServer) -> str:
        cell = Cell.of(server, resource)
        return render_to_string("xloud_dashboard/_cell.html", {"cell": cell})

    return rendered


def _state(server: RecordedServer) -> Any:
    if not server.reasons:
        return _("converged")
    return format_html_join(" ", "<code>{}</code>", ((code,) for code in server.reasons))


def _mode(server: RecordedServer) -> str:
    return server.autoscale.mode if server.autoscale is not None else "-"


class ServersTable(tables.DataTable):
    """The servers of a project, as they were recorded last."""

    name = tables.Column("name", verbose_name=_("Server"), link=_link)
    vm_state = tables.Column("vm_state", verbose_name=_("State"))
    vcpus = tables.Column(_cell("vcpus"), verbose_name=_("vCPUs"))
    memory = tables.Column(_cell("memory_mb"), verbose_name=_("Memory"))
    state = tables.Column(_state, verbose_name=_("Size reached"))
    mode = tables.Column(_mode, verbose_name=_("Automatic growth"))

    def get_object_display(self, datum: RecordedServer) -> str:
        """Return the server's name."""
        return datum.name

    class Meta:
        """What Horizon reads of a table."""

        name = "elastic_servers"
        verbose_name = _("Elastic servers")
        table_actions = (ToMinimum, ToRecommendation)
        multi_select = True
        css_classes = "xloud-table"
