# SPDX-License-Identifier: Apache-2.0
"""Extend Nova's ``LibvirtConfigGuest`` to write and read the size that a guest starts with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nova_xloud.libvirt import guest_xml


@dataclass(frozen=True, slots=True)
class ConfiguredSize:
    """The attribute ``xloud_size`` of a ``LibvirtConfigGuest``: the size that a guest starts with.

    :ivar vcpus: how many vCPUs are enabled, ``<vcpu current=>``; None: all
    :ivar removable_from: vCPUs from this id up are hotpluggable; None: no enabled vCPU is
    :ivar memory_kib: ``<currentMemory>`` in KiB; None: as much as ``<memory>``
    """

    vcpus: int | None = None
    removable_from: int | None = None
    memory_kib: int | None = None


_MAXIMUM = ConfiguredSize()


def format_basic_props(original: Callable[..., None], config: Any, root: Any) -> None:
    """Format ``<domain>`` as Nova does, and write ``config.xloud_size`` into it.

    If there is no such attribute, or all of its values are None, the document is Nova's own.
    """
    original(config, root)
    size: ConfiguredSize = getattr(config, "xloud_size", _MAXIMUM)
    if size == _MAXIMUM:
        return
    vcpus = config.vcpus if size.vcpus is None else size.vcpus
    guest_xml.apply_size(
        root,
        vcpus=vcpus,
        removable_from=vcpus if size.removable_from is None else size.removable_from,
        memory_kib=config.memory if size.memory_kib is None else size.memory_kib,
    )


def parse_basic_props(original: Callable[..., None], config: Any, xmldoc: Any) -> None:
    """Parse one child of ``<domain>`` as Nova does, and keep its size in ``config.xloud_size``.

    These three children set a value of the attribute: ``<vcpu>`` with ``current``,
    ``<currentMemory>`` if it differs from ``<memory>``, and ``<vcpus>`` with a hotpluggable vCPU.

    :param xmldoc: the child element
    """
    original(config, xmldoc)
    size: ConfiguredSize = getattr(config, "xloud_size", _MAXIMUM)
    if xmldoc.tag == "vcpu" and xmldoc.get("current") is not None:
        config.xloud_size = replace(size, vcpus=int(xmldoc.get("current")))
    elif xmldoc.tag == "currentMemory":
        memory_kib = guest_xml.kib(xmldoc)
        if memory_kib != config.memory:
            config.xloud_size = replace(size, memory_kib=memory_kib)
    elif xmldoc.tag == "vcpus":
        removable = [int(v.get("id")) for v in xmldoc if v.get("hotpluggable") == "yes"]
        if removable:
            config.xloud_size = replace(size, removable_from=min(removable))
