# SPDX-License-Identifier: Apache-2.0
"""Our notifications among those that Nova lets through."""

from __future__ import annotations

from nova_xloud.core.instance.lifecycle import ADJUST, HOTPLUG


def event_types() -> list[str]:
    """``compute.instance.<action>.<phase>``, unversioned."""
    return [
        f"compute.instance.{action}.{phase}"
        for action in (ADJUST, HOTPLUG)
        for phase in ("start", "end", "error")
    ]
