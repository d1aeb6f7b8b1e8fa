# SPDX-License-Identifier: Apache-2.0
"""The vCPUs of a fake guest, as libvirt has them and as the guest uses them."""

from __future__ import annotations

from nova_xloud.testing import vcpu_list
from nova_xloud.testing.behaviour import Rejected


class GuestCpus:
    """The vCPUs of one guest: which of them are plugged, and which are online.

    The last three attributes are of vCPUs whose removal was requested and which libvirt still
    counts.

    :ivar each: every vCPU up to the maximum by its id, as libvirt's XML has it
    :ivar dropped: ids that QEMU has removed, of which libvirt has got no event
    :ivar asked_for: ids whose removal has timed out because the guest did not react
    :ivar late: by id, the time of the clock's ``now`` at which the guest gives the vCPU back
    """

    def __init__(self, each: vcpu_list.Vcpus) -> None:
        self.each = each
        self.dropped: list[int] = []
        self.asked_for: list[int] = []
        self.late: dict[int, float] = {}
        # By id of a hot-added vCPU: from when the guest uses it; None while that is not known.
        self._online_from: dict[int, float | None] = {}
        # Ids that were taken offline in the guest.
        self._offline: set[int] = set()

    def add(self, count: int) -> None:
        """Plug vCPUs until libvirt counts ``count``; those added are not online yet."""
        added = vcpu_list.to_add(self.each, count)
        self.each = vcpu_list.changed(self.each, added, vcpu_list.HOTPLUGGED)
        self._online_from |= dict.fromkeys(added)

    def come_online(self, at: float) -> None:
        """Let the guest bring vCPUs online at the time ``at``.

        These are the vCPUs that were added and have no such time yet.
        """
        waiting = [i for i, known in self._online_from.items() if known is None]
        self._online_from |= dict.fromkeys(waiting, at)

    def remove(self, number: int) -> None:
        """Unplug the vCPU with the id ``number``: libvirt and the guest no longer have it."""
        self.each = vcpu_list.changed(self.each, [number], vcpu_list.OFF)
        self._online_from.pop(number, None)
        self._offline.discard(number)

    def settle(self) -> None:
        """Complete all removals that have timed out: libvirt no longer counts these vCPUs."""
        for number in (*self.dropped, *self.asked_for, *self.late):
            self.remove(number)
        self.dropped, self.asked_for, self.late = [], [], {}

    def come_back(self, now: float) -> None:
        """Unplug each vCPU of ``late`` whose time is not after ``now``."""
        for number in [number for number, at in self.late.items() if at <= now]:
            self.remove(number)
            del self.late[number]

    def present(self) -> list[int]:
        """Return the ids of the CPUs that the guest has, online or not.

        The ids of ``dropped`` are not among them, though libvirt still counts those vCPUs.
        """
        return [i for i, vcpu in enumerate(self.each) if vcpu.enabled and i not in self.dropped]

    def online(self, now: float) -> list[int]:
        """Return the ids of the CPUs that are online in the guest at the time ``now``."""
        return [i for i in self.present() if i not in self._offline and self._is_up(i, now)]

    def set_online(self, count: int, now: float) -> None:
        """Set how many CPUs are online, as the agent does for libvirt.

        The CPUs with the lowest ids are taken offline first, and brought online first. CPU 0 always
        stays online.

        :raises Rejected: the guest has fewer than ``count`` vCPUs, or ``count`` is negative
        """
        present, online = self.present(), self.online(now)
        # libvirt takes a negative count for a very large one.
        if not 0 <= count <= len(present):
            message = "requested vcpu count is greater than the count of enabled vcpus"
            raise Rejected("VIR_ERR_INVALID_ARG", message)
        self._offline.update(online[1 : 1 + max(len(online) - count, 0)])
        off = [i for i in present if i not in online]
        for number in off[: max(count - len(online), 0)]:
            self._offline.discard(number)
            self._online_from.pop(number, None)

    def _is_up(self, number: int, now: float) -> bool:
        at = self._online_from.get(number, now)
        return at is not None and at <= now
