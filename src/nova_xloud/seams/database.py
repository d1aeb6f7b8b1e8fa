# SPDX-License-Identifier: Apache-2.0
"""The database: an adjustment's record is not lost with what somebody else writes beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova.db.main import api

from nova_xloud.core.instance.desired import newer


def update_instance(
    update: Callable[..., Any],
    context: Any,
    instance_uuid: str,
    values: Any,
    expected: Any,
    original: Any = None,
) -> Any:
    """Write an instance; of its ``system_metadata`` our keys as they were changed last.

    Nova writes all of it as it was when an operation began: with an adjustment that was admitted
    since, the guest would be driven back to where it was. This is inside of Nova's transaction.

    :param original: the instance as this transaction has read it; None: it has not
    """
    if "system_metadata" in values:
        stored = _loaded(original) or api.instance_system_metadata_get(context, instance_uuid)
        values = {**values, "system_metadata": newer(values["system_metadata"], stored)}
    return update(context, instance_uuid, values, expected, original=original)


def _loaded(original: Any) -> dict[str, str]:
    """What came with the instance; empty as well where it was read without."""
    rows = () if original is None else original["system_metadata"]
    return {row["key"]: row["value"] for row in rows}
