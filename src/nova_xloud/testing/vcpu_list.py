# SPDX-License-Identifier: Apache-2.0
"""Compute how a list of vCPUs changes, as setVcpusFlags of libvirt 11.3 (QEMU) changes it."""

from __future__ import annotations

from nova_xloud.libvirt.guest_xml import Vcpu

Vcpus = tuple[Vcpu, ...]

OFF = Vcpu(enabled=False, hotpluggable=True)
BOOT_VCPU = Vcpu(enabled=True, hotpluggable=False)
HOTPLUGGED = Vcpu(enabled=True, hotpluggable=True)


def at_boot(maximum: int, vcpus: int, removable_from: int) -> Vcpus:
    """Return a list of ``maximum`` vCPUs of which the first ``vcpus`` are enabled.

    Enabled vCPUs from the id ``removable_from`` up can be removed from the running guest; vCPU 0
    never can.
    """
    enabled = [HOTPLUGGED if i >= max(removable_from, 1) else BOOT_VCPU for i in range(vcpus)]
    return (*enabled, *[OFF] * (maximum - vcpus))


def count(each: Vcpus) -> int:
    """Return how many vCPUs are enabled."""
    return sum(vcpu.enabled for vcpu in each)


def to_add(each: Vcpus, wanted: int) -> list[int]:
    """Return the ids to enable so that ``wanted`` vCPUs are enabled, the lowest ids first.

    Empty if as many or more are enabled already.
    """
    off = [i for i, vcpu in enumerate(each) if not vcpu.enabled]
    return off[: max(wanted - count(each), 0)]


def to_remove(each: Vcpus, wanted: int) -> list[int] | None:
    """Return the ids to remove so that ``wanted`` vCPUs are left, the highest ids first.

    Only vCPUs that can be removed from the running guest are among them.

    :returns: empty if there are no more than ``wanted``; None if too few can be removed
    """
    removable = [i for i, vcpu in enumerate(each) if vcpu.enabled and vcpu.hotpluggable]
    excess = max(count(each) - wanted, 0)
    return removable[::-1][:excess] if excess <= len(removable) else None


def changed(each: Vcpus, ids: list[int], to: Vcpu) -> Vcpus:
    """Return a copy of ``each`` in which every vCPU with an id of ``ids`` is replaced by ``to``."""
    return tuple(to if i in ids else vcpu for i, vcpu in enumerate(each))


def configured(each: Vcpus, wanted: int, *, hotpluggable: bool) -> Vcpus:
    """Return the configuration ``each`` with ``wanted`` vCPUs enabled.

    The lowest ids are enabled first, and the highest ids are disabled first. In a configuration
    any vCPU can be disabled, also one that cannot be removed from the running guest.

    :param hotpluggable: whether vCPUs that are added here can be removed from the running guest
    """
    more = changed(each, to_add(each, wanted), HOTPLUGGED if hotpluggable else BOOT_VCPU)
    enabled = [i for i, vcpu in enumerate(more) if vcpu.enabled]
    return changed(more, enabled[wanted:], OFF)
