# SPDX-License-Identifier: Apache-2.0
"""What Nova itself can do about a condition: the commands that its advice names, as buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from nova_xloud.client import Status
from xloud_dashboard import permissions


@dataclass(frozen=True)
class Action:
    """Something that Nova can do to a server.

    :ivar name: its name in a form
    :ivar label: its name for people
    :ivar warning: what it does to the guest, in a sentence
    :ivar command: the command in an advice that stands for it
    :ivar rule: Nova's rule that allows it
    :ivar is_possible: whether it can be done to a server with that status
    :ivar do: does it, with ``Connection.compute`` and the server's ID
    """

    name: str
    label: Any
    warning: Any
    command: str
    rule: str
    is_possible: Callable[[Status], bool]
    do: Callable[[Any, str], Any]


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "hard_reboot",
            _("Hard reboot"),
            _("The guest is switched off and started again at once: programs in it end."),
            "openstack server reboot --hard",
            "os_compute_api:servers:reboot",
            lambda status: bool(status.running),
            lambda compute, server_id: compute.reboot_server(server_id, "HARD"),
        ),
        Action(
            "stop",
            _("Stop"),
            _("The guest is shut down: programs in it end."),
            "openstack server stop",
            "os_compute_api:servers:stop",
            lambda status: bool(status.running),
            lambda compute, server_id: compute.stop_server(server_id),
        ),
        Action(
            "start",
            _("Start"),
            _("The guest is started with the size that is desired."),
            "openstack server start",
            "os_compute_api:servers:start",
            lambda status: status.running is False,
            lambda compute, server_id: compute.start_server(server_id),
        ),
    )
}


def offered(request: Any, project_id: str, status: Status, advice: str) -> Iterator[Action]:
    """Yield the actions that ``advice`` names, that are possible now and that the user may do."""
    for action in ACTIONS.values():
        if (
            action.command in advice
            and action.is_possible(status)
            and permissions.may_in_nova(request, action.rule, project_id)
        ):
            yield action
