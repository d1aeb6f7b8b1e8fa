# SPDX-License-Identifier: Apache-2.0
"""The page that asks before several servers are adjusted to the sizes that are recommended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.generic import View

from nova_xloud.client import Size, Status
from xloud_dashboard import api
from xloud_dashboard.elastic_servers import several, together

INDEX = "horizon:project:elastic_servers:index"
# What the page sends back for a server: its ID, and vCPUs and MiB of the size that the page has
# shown. What keeps its size is a hyphen, and one of the two is a number.
_LINE = re.compile(r"([0-9a-f-]{36}) (?!- -)(\d{1,9}|-) (\d{1,9}|-)", re.ASCII)


@dataclass(frozen=True)
class Recommended:
    """A server with another size than it is to have.

    :ivar desired: what was asked for last and admitted
    :ivar size: what is recommended
    :ivar reasons: why, as in :class:`nova_xloud.client.Autoscale`
    """

    id: str
    name: str
    desired: Size
    size: Size
    reasons: tuple[Mapping[str, str], ...]

    @staticmethod
    def of(server: Any, status: Status) -> Recommended | None:
        """Return what is recommended for the server; None if no other size is."""
        told = status.autoscale
        if told is None or told.recommendation is None or not status.recommends_change:
            return None
        desired = status.numbers.desired
        return Recommended(server.id, server.name, desired, told.recommendation, told.reasons)

    @property
    def line(self) -> str:
        """What the page sends back."""
        change = several.Change.between(self.desired, self.size)
        sizes = (change.vcpus, change.memory_mb)
        return " ".join([self.id, *("-" if size is None else str(size) for size in sizes)])


def ask(request: Any, servers: Iterable[Any]) -> HttpResponse | None:
    """Answer with the page; None if no other size is recommended for any of the servers.

    The compute host of each server is asked, because nobody else knows what is recommended.

    :param servers: each has ``id`` and ``name``
    """
    found, without = [], []
    get_status = api.xloud(request).get_status
    until = together.deadline()
    for server, status in together.each(
        request, list(servers), get_status, lambda one: str(one.name), until
    ):
        told = Recommended.of(server, status)
        if told is None:
            without.append(server.name)
        else:
            found.append(told)
    if without:
        messages.info(request, _("No other size is recommended: %s") % ", ".join(without))
    if not found:
        return None
    context = {"page_title": _("Adjust as recommended"), "servers": found}
    return render(request, "xloud_dashboard/recommended.html", context)


class RecommendedView(View):
    """Adjusts the servers that were left selected to the sizes that the page has shown."""

    def get(self, request: Any) -> HttpResponse:
        """Go back to the panel: what is recommended is asked for there."""
        return redirect(INDEX)

    def post(self, request: Any) -> HttpResponse:
        """Adjust the servers, and go back to the panel."""
        lines = [_LINE.fullmatch(one) for one in request.POST.getlist("size")]
        if None in lines:
            return HttpResponseBadRequest(_("There is no such size."))
        if not lines:
            messages.info(request, _("No server was selected."))
        until = together.deadline()
        wanted = _servers(request, [line.groups() for line in lines if line], until)
        several.adjust(request, wanted, until)
        return redirect(INDEX)


def _servers(
    request: Any, wanted: Sequence[tuple[Any, ...]], until: float
) -> list[tuple[Any, several.Change]]:
    """Return the servers that the user may adjust, with the changes; others get a message."""
    get_server = api.connection(request).compute.get_server
    found = together.each(
        request, wanted, lambda line: get_server(line[0]), lambda line: str(line[0]), until
    )
    return [
        (server, several.Change(*(None if one == "-" else int(one) for one in sizes)))
        for (_id, *sizes), server in found
        if several.may_adjust(request, server)
    ]
