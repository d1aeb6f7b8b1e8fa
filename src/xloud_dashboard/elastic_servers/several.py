# SPDX-License-Identifier: Apache-2.0
"""Adjusts several servers, each to a size of its own, and says what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.utils.translation import gettext as _

from nova_xloud.client import Adjustment, Size
from xloud_dashboard import api, permissions
from xloud_dashboard.elastic_servers import together


@dataclass(frozen=True)
class Change:
    """What is asked for of a server: a resource that keeps its size is not asked for.

    To ask for it would keep a size that lasts only until the guest stops, hold off automatic growth
    of that resource, and undo what somebody else has asked for meanwhile.

    :ivar vcpus: None: left as it is
    :ivar memory_mb: MiB; None: left as it is
    """

    vcpus: int | None
    memory_mb: int | None

    @staticmethod
    def between(desired: Size, size: Size) -> Change:
        """Return what has to be asked for of a server that is to have ``desired``."""
        return Change(
            size.vcpus if size.vcpus != desired.vcpus else None,
            size.memory_mb if size.memory_mb != desired.memory_mb else None,
        )


def may_adjust(request: Any, server: Any) -> bool:
    """Return whether the user may adjust the server, and leave a message if not.

    :param server: has ``name`` and ``project_id``
    """
    if permissions.may(request, permissions.ADJUST, server.project_id):
        return True
    messages.error(request, _("You may not adjust %s.") % server.name)
    return False


def adjust(
    request: Any, wanted: Sequence[tuple[Any, Change]], until: float, *, may_grow: bool
) -> None:
    """Adjust the servers, and leave messages for the next page.

    A server that the API refuses to adjust does not stop the others: it is named with the reason.

    Servers that may grow are adjusted one after the other: of growths at the same time each counts
    what the others ask for, so that the quota may refuse them all, where some would fit.

    :param wanted: servers, which have ``id`` and ``name``, each with what is asked for
    :param until: when to stop waiting for answers, in monotonic seconds
    :param may_grow: whether one of the servers may get more of a resource
    """
    xloud = api.xloud(request)

    def asked(one: tuple[Any, Change]) -> Adjustment:
        server, change = one
        return xloud.adjust(server, vcpus=change.vcpus, memory_mb=change.memory_mb)

    at_once = 1 if may_grow else together.AT_ONCE
    answers = together.each(request, wanted, asked, lambda one: str(one[0].name), until, at_once)
    if answers:
        admitted = "; ".join(f"{server.name} ({told})" for (server, _change), told in answers)
        messages.success(request, _("Admitted: %s") % admitted)
