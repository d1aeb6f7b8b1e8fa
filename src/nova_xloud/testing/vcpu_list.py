# SPDX-License-Identifier: Apache-2.0
"""What setVcpusFlags does to a list of vCPUs: pure, as QEMU's driver of libvirt 11.3 does it."""

from __future__ import annotations

from nova_xloud.libvirt.guest_xml import Vcpu

Vcpus = tuple[Vcpu, ...]

OFF = Vcpu(enabled=False, hotpluggable=True)
BOOT_VCPU = Vcpu(enabled=True, hotpluggable=False)
HOTPLUGGED = Vcpu(enabled=True, hotpluggable=True)


def at_boot(maximum: int, vcpus: int, removable_from: int) -> Vcpus:
    """``vcpus`` of ``maximum``; those from ``removable_from`` up can be removed."""
    enabled = [HOTPLUGGED if i >= max(removable_from, 1) else BOOT_VCPU for i in range(vcpus)]
    return (*enabled, *[OFF] * (maximum - vcpus))


def count(each: Vcpus) -> int:
    return sum(vcpu.enabled for vcpu in each)


def to_add(each: Vcpus, wanted: int) -> list[int]:
    """Ids to enable to have ``wanted``: the lowest first."""
    off = [i for i, vcpu in enumerate(each) if not vcpu.enabled]
    return off[: max(wanted - count(each), 0)]


def to_remove(each: Vcpus, wanted: int) -> list[int] | None:
    """Ids to take away to have ``wanted``: the highest first; None where it cannot be reached."""
    removable = [i for i, vcpu in enumerate(each) if vcpu.enabled and vcpu.hotpluggable]
    excess = max(count(each) - wanted, 0)
    return removable[::-1][:excess] if excess <= len(removable) else None


def changed(each: Vcpus, ids: list[int], to: Vcpu) -> Vcpus:
    """The same with the vCPUs ``ids`` made ``to``."""
    return tuple(to if i in ids else vcpu for i, vcpu in enumerate(each))


def configured(each: Vcpus, wanted: int, *, hotpluggable: bool) -> Vcpus:
    """A configuration made ``wanted``: there any vCPU can go, boot-time ones too."""
    more = changed(each, to_add(each, wanted), HOTPLUGGED if hotpluggable else BOOT_VCPU)
    enabled = [i for i, vcpu in enumerate(more) if vcpu.enabled]
    return changed(more, enabled[wanted:], OFF)
