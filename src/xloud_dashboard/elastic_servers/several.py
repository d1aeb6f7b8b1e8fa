# SPDX-License-Identifier: Apache-2.0
"""Adjusts several servers, each to a size of its own, and says what became of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.utils.translation import gettext as _

from nova_xloud.client import Size
from xloud_dashboard import api, permissions


def may_adjust(request: Any, server: Any) -> bool:
    """Return whether the user may adjust the server, and leave a message if not.

    :param server: has ``name`` and ``project_id``
    """
    if permissions.may(request, permissions.ADJUST, server.project_id):
        return True
    messages.error(request, _("You may not adjust %s.") % server.name)
    return False


def adjust(request: Any, wanted: Iterable[tuple[Any, Size]]) -> None:
    """Adjust the servers, and leave messages for the next page.

    A server that the API refuses to adjust does not stop the others: it is named with the reason.

    :param wanted: servers, which have ``id`` and ``name``, each with its size
    """
    admitted = []
    for server, size in wanted:
        try:
            api.xloud(request).adjust(server, vcpus=size.vcpus, memory_mb=size.memory_mb)
            admitted.append(f"{server.name} ({size})")
        except api.ERRORS as error:
            messages.error(request, f"{server.name}: {error}")
    if admitted:
        messages.success(request, _("Admitted: %s") % "; ".join(admitted))
