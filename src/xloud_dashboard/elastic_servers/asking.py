# SPDX-License-Identifier: Apache-2.0
"""The page that asks before several servers are adjusted, each to a size of its own."""

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

from nova_xloud.client import RecordedServer, Size, Status
from xloud_dashboard import api
from xloud_dashboard.elastic_servers import several, together

INDEX = "horizon:project:elastic_servers:index"
# What the page sends back for a server: its ID, and vCPUs and MiB of the size that the page has
# shown. What keeps its size is a hyphen, and one of the two is a number.
_LINE = re.compile(r"([0-9a-f-]{36}) (?!- -)(\d{1,9}|-) (\d{1,9}|-)", re.ASCII)


@dataclass(frozen=True)
class Proposed:
    """A server that may get another size than it is to have.

    :ivar desired: what was asked for last and admitted
    :ivar size: what it may get
    :ivar reasons: why, as in :class:`nova_xloud.client.Autoscale`; may be empty
    """

    id: str
    name: str
    desired: Size
    size: Size
    reasons: tuple[Mapping[str, str], ...] = ()

    @staticmethod
    def recommended(server: Any, status: Status) -> Proposed | None:
        """Return what automatic growth recommends for the server; None if no other size."""
        told = status.autoscale
        if told is None or told.recommendation is None or not status.recommends_change:
            return None
        desired = status.numbers.desired
        return Proposed(server.id, server.name, desired, told.recommendation, told.reasons)

    @staticmethod
    def smallest(server: RecordedServer) -> Proposed | None:
        """Return the minimum that the server's flavor names; None if it is to have no more.

        A resource of which the flavor names no minimum keeps its size: the smallest size that the
        API admits is nothing that anybody chose for such a server.
        """
        desired, boot = server.desired, server.boot
        least = Size(min(desired.vcpus, boot.vcpus), min(desired.memory_mb, boot.memory_mb))
        return None if least == desired else Proposed(server.id, server.name, desired, least)

    @property
    def grows(self) -> bool:
        """Whether the server may get more of a resource than it is to have."""
        return not self.desired.covers(self.size)

    @property
    def line(self) -> str:
        """What the page sends back."""
        change = several.Change.between(self.desired, self.size)
        sizes = (change.vcpus, change.memory_mb)
        return " ".join([self.id, *("-" if size is None else str(size) for size in sizes)])


def recommended(request: Any, servers: Iterable[Any]) -> HttpResponse | None:
    """Answer with the page; None if no other size is recommended for any of the servers.

    The compute host of each server is asked, because nobody else knows what is recommended.

    :param servers: each has ``id`` and ``name``
    """
    get_status = api.xloud(request).get_status
    asked = list(servers)
    until, at_once = together.deadline(), together.READINGS
    statuses = together.each(request, asked, get_status, lambda one: str(one.name), until, at_once)
    unheard = [server.name for server, status in statuses if not status.from_host]
    if unheard:
        told = _("Their compute hosts did not say what they recommend; try again later: %s")
        messages.error(request, told % ", ".join(unheard))
    found = [
        (server, Proposed.recommended(server, status))
        for server, status in statuses
        if status.from_host
    ]
    _tell_without(request, _("No other size is recommended: %s"), found)
    return _page(request, _("Adjust as recommended"), _("Recommended"), found)


def smallest(request: Any, servers: Iterable[RecordedServer]) -> HttpResponse | None:
    """Answer with the page; None if none of the servers has more than its flavor's minimum."""
    found = [(server, Proposed.smallest(server)) for server in servers]
    _tell_without(request, _("No more than the minimums that their flavors name: %s"), found)
    return _page(request, _("Shrink to the minimum"), _("Minimum"), found)


def _tell_without(request: Any, told: str, found: Sequence[tuple[Any, Proposed | None]]) -> None:
    without = [server.name for server, proposed in found if proposed is None]
    if without:
        messages.info(request, told % ", ".join(without))


def _page(
    request: Any, title: str, column: str, found: Sequence[tuple[Any, Proposed | None]]
) -> HttpResponse | None:
    """Answer with the page, whose sizes are below the title ``column``."""
    servers = [proposed for _server, proposed in found if proposed is not None]
    if not servers:
        return None
    context = {
        "page_title": title,
        "column": column,
        "servers": servers,
        "has_reasons": any(one.reasons for one in servers),
        "only_shrinks": not any(one.grows for one in servers),
    }
    return render(request, "xloud_dashboard/several.html", context)


class SeveralView(View):
    """Adjusts the servers that were left selected to the sizes that the page has shown."""

    def get(self, request: Any) -> HttpResponse:
        """Go back to the panel, from where this page is come to."""
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
        several.adjust(request, wanted, until, may_grow="only_shrinks" not in request.POST)
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
