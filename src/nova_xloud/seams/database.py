# SPDX-License-Identifier: Apache-2.0
"""Keep the record of a new adjustment when Nova writes an older ``system_metadata``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova.db.main import api

from nova_xloud.core.instance.desired import newer
from nova_xloud.fault_points import reached


def update_instance(
    update: Callable[..., Any],
    context: Any,
    instance_uuid: str,
    values: Any,
    expected: Any,
    original: Any = None,
) -> Any:
    """Update an instance row as Nova does, but keep the newer of two records of nova-xloud.

    Nova writes ``system_metadata`` whole, as it was when an operation began. If an adjustment was
    admitted since, its record would be lost, and the guest would go back to the size before. The
    stored record is read in Nova's own transaction. An update without ``system_metadata`` is
    Nova's own.

    :param update: Nova's function
    :param original: the instance as this transaction has read it; None if it has not read it
    """
    if "system_metadata" in values:
        stored = _loaded(original) or api.instance_system_metadata_get(context, instance_uuid)
        values = {**values, "system_metadata": newer(values["system_metadata"], stored)}
        reached("database.updating")
    updated = update(context, instance_uuid, values, expected, original=original)
    reached("database.updated")
    return updated


def _loaded(original: Any) -> dict[str, str]:
    """Return the ``system_metadata`` of an instance row; empty for None or a row that has none."""
    rows = () if original is None else original["system_metadata"]
    return {row["key"]: row["value"] for row in rows}
