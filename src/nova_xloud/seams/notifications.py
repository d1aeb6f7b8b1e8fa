# SPDX-License-Identifier: Apache-2.0
"""Add the event types of nova-xloud to those that Nova's unversioned notifier allows."""

from __future__ import annotations

from nova_xloud.core.instance.lifecycle import ADJUST, HOTPLUG


def event_types() -> list[str]:
    """Return nova-xloud's unversioned event types, ``compute.instance.<action>.<phase>``."""
    return [
        f"compute.instance.{action}.{phase}"
        for action in (ADJUST, HOTPLUG)
        for phase in ("start", "end", "error")
    ]
