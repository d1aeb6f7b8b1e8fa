# SPDX-License-Identifier: Apache-2.0
"""Leave the record of an instance out of the images that are made of it.

Nova makes a property of the new image of every key in the instance's ``system_metadata``. With the
record, everybody who can see the image would read who has adjusted the server and why a run failed,
and the keys would count in Glance's quota of properties.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.adapters import nova_objects
from nova_xloud.core.instance.desired import record_in


def metadata_of_snapshot(
    original: Callable[..., dict[str, Any]],
    context: Any,
    instance: Any,
    name: str,
    extra_properties: dict[str, Any] | None = None,
    *args: Any,
    **kwargs: Any,
) -> dict[str, Any]:
    """Return the metadata of a new image as Nova makes it, but without ``xloud_*`` keys.

    Nova calls this for a snapshot, a backup, a shelve, and a snapshot of a server on volumes. The
    image that the server booted from may have such properties too, if it was made before they were
    left out: they go no further. What the request itself names is kept. For an instance without a
    record all is as Nova makes it.

    :param extra_properties: the properties that the request and Nova add
    """
    metadata = original(context, instance, name, extra_properties, *args, **kwargs)
    if nova_objects.has_record(instance):
        properties = metadata["properties"]
        for key in record_in(properties).keys() - (extra_properties or {}).keys():
            del properties[key]
    return metadata
