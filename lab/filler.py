# SPDX-License-Identifier: Apache-2.0
"""Servers that take memory of a host in Placement and use none of it, so that the host is full."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.cloud import Cloud

NAME = "xloud-filler"


def free_memory(cloud: Cloud, host: str) -> int:
    """Return the MiB that Placement would still allocate of a host."""
    placement = cloud.connection.placement
    (provider,) = placement.resource_providers(name=host)
    path = f"/resource_providers/{provider.id}"
    inventory = placement.get(f"{path}/inventories").json()["inventories"]["MEMORY_MB"]
    used = placement.get(f"{path}/usages").json()["usages"]["MEMORY_MB"]
    capacity = (inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"]
    return int(capacity) - int(used)


@contextmanager
def filled(cloud: Cloud, host: str, leave: int, name: str = NAME) -> Iterator[None]:
    """Have a server on a host that takes all memory but ``leave`` MiB, while the block lasts.

    It has nothing to boot from, so it uses none of it.

    :param name: the name of the server, and of its flavor and image
    """
    with taken(cloud, host, free_memory(cloud, host) - leave, name):
        yield


@contextmanager
def taken(cloud: Cloud, host: str, size_mb: int, name: str = NAME) -> Iterator[None]:
    """Have a server on a host that takes so many MiB of memory, while the block lasts."""
    compute, image = cloud.connection.compute, cloud.connection.image
    _remove_leftovers(cloud, name)
    flavor = compute.create_flavor(name=name, vcpus=1, ram=size_mb, disk=1)
    disk: Any = cloud.connection.create_image(
        name, data=bytes(1 << 20), disk_format="raw", container_format="bare", use_import=False
    )
    try:
        server = cloud.create(name, name, name, host)
        try:
            yield
        finally:
            cloud.delete(server)
    finally:
        image.delete_image(disk)
        compute.delete_flavor(flavor)


def _remove_leftovers(cloud: Cloud, name: str) -> None:
    """Delete what an interrupted run has left."""
    cloud.delete_named(name)
    for found in cloud.connection.image.images(name=name):
        cloud.connection.image.delete_image(found.id)
    if flavor := cloud.connection.compute.find_flavor(name):
        cloud.connection.compute.delete_flavor(flavor)
