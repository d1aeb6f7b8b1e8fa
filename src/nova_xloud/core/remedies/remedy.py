# SPDX-License-Identifier: Apache-2.0
"""One entry of the table of remedies, and its text without markup for a terminal or a log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """What one code means, and what to do about it.

    ``means``, ``do`` and ``operator`` are whole sentences. What is typed or matched literally in
    them, such as a command, an option or a code, is in backquotes; nothing else is marked up.

    :ivar means: what the code says
    :ivar do: what to do, for everybody who may meet the code
    :ivar operator: what an operator of the cloud can do beyond ``do``; empty if that is nothing
    :ivar about: which resources a blocker is about, for people; empty for other codes
    :ivar see: the page that says more, from the folder docs: ``admin/limits.md`` or
        ``admin/conditions.md#gaveup``; empty if there is none
    """

    means: str
    do: str
    operator: str = ""
    about: str = ""
    see: str = ""

    @property
    def advice(self) -> str:
        """``do`` as plain text, for a terminal or a log."""
        return plain(self.do)


def plain(text: str) -> str:
    """Return a text of an entry without the backquotes."""
    return text.replace("`", "")


# Sentences of several entries.
AGAIN = "nova-xloud tries again by itself after 1, 2, 4 ... minutes"
WHILE_STOPPED = (
    "Stop the server (`openstack server stop`), ask again while it is stopped, and start the "
    "server (`openstack server start`)."
)
REBOOT = (
    "Reboot the server hard (`openstack server reboot --hard`), or stop and start it; then ask "
    "again."
)
