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
    :ivar is_possible: whether Nova does it to that server, as openstacksdk has it
    :ivar needs_host: whether the server's compute host has to be up
    :ivar do: does it, with ``Connection.compute`` and the server's ID
    """

    name: str
    label: Any
    warning: Any
    command: str
    rule: str
    is_possible: Callable[[Any], bool]
    do: Callable[[Any, str], Any]
    needs_host: bool = True


def _is_in(*states: str) -> Callable[[Any], bool]:
    """Return whether the server has one of Nova's statuses."""
    return lambda server: str(server.status) in states


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "hard_reboot",
            _("Hard reboot"),
            _("The guest is switched off and started again at once: programs in it end."),
            "openstack server reboot --hard",
            "os_compute_api:servers:reboot",
            _is_in("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR"),
            lambda compute, server_id: compute.reboot_server(server_id, "HARD"),
        ),
        Action(
            "stop",
            _("Stop"),
            _("The guest is shut down: programs in it end."),
            "openstack server stop",
            "os_compute_api:servers:stop",
            _is_in("ACTIVE", "ERROR"),
            lambda compute, server_id: compute.stop_server(server_id),
        ),
        Action(
            "start",
            _("Start"),
            _("The guest is started with the size that is kept for its next start."),
            "openstack server start",
            "os_compute_api:servers:start",
            _is_in("SHUTOFF"),
            lambda compute, server_id: compute.start_server(server_id),
        ),
        Action(
            "unpause",
            _("Unpause"),
            _("The guest goes on where it was paused."),
            "openstack server unpause",
            "os_compute_api:os-pause-server:unpause",
            _is_in("PAUSED"),
            lambda compute, server_id: compute.unpause_server(server_id),
        ),
        Action(
            "unlock",
            _("Unlock"),
            _("The server can be changed again; somebody has locked it on purpose."),
            "openstack server unlock",
            "os_compute_api:os-lock-server:unlock",
            lambda server: bool(server.is_locked),
            lambda compute, server_id: compute.unlock_server(server_id),
            needs_host=False,
        ),
    )
}


def named(advice: str) -> list[Action]:
    """Return the actions that ``advice`` names."""
    return [action for action in ACTIONS.values() if action.command in advice]


def offered(
    request: Any, project_id: str, status: Status, server: Any, advice: str
) -> Iterator[Action]:
    """Yield the actions that ``advice`` names, that are possible now and that the user may do.

    :param server: as openstacksdk has it; None if ``advice`` names no action
    """
    for action in named(advice):
        if (
            (status.from_host or not action.needs_host)
            and action.is_possible(server)
            and permissions.may_in_nova(request, action.rule, project_id)
        ):
            yield action
