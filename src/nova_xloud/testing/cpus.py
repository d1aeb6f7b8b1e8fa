# SPDX-License-Identifier: Apache-2.0
"""The vCPUs of a fake guest, as libvirt counts them and as the guest uses them."""

from __future__ import annotations

from nova_xloud.testing import vcpu_list
from nova_xloud.testing.behaviour import Rejected


class GuestCpus:
    """What is plugged, and what of it is online.

    :ivar each: as libvirt dumps them
    :ivar dropped: gone from QEMU, but libvirt has not heard of it
    :ivar asked_for: they go as soon as the guest runs again
    :ivar late: the guest gives them back at that time; libvirt waits for none of them any more
    """

    def __init__(self, each: vcpu_list.Vcpus) -> None:
        self.each = each
        self.dropped: list[int] = []
        self.asked_for: list[int] = []
        self.late: dict[int, float] = {}
        # Hot-added ones that the guest does not use yet, and from when it will; None: not in sight.
        self._online_from: dict[int, float | None] = {}
        # Taken offline in the guest.
        self._offline: set[int] = set()

    def add(self, count: int) -> None:
        """Plug up to ``count``; none of them is online yet."""
        added = vcpu_list.to_add(self.each, count)
        self.each = vcpu_list.changed(self.each, added, vcpu_list.HOTPLUGGED)
        self._online_from |= dict.fromkeys(added)

    def come_online(self, at: float) -> None:
        """The guest brings what it does not use yet online at that time."""
        waiting = [i for i, known in self._online_from.items() if known is None]
        self._online_from |= dict.fromkeys(waiting, at)

    def remove(self, number: int) -> None:
        self.each = vcpu_list.changed(self.each, [number], vcpu_list.OFF)
        self._online_from.pop(number, None)
        self._offline.discard(number)

    def settle(self) -> None:
        """libvirt hears of all that has gone or was to go."""
        for number in (*self.dropped, *self.asked_for, *self.late):
            self.remove(number)
        self.dropped, self.asked_for, self.late = [], [], {}

    def come_back(self, now: float) -> None:
        """What the guest gives back late and has given back by now is gone."""
        for number in [number for number, at in self.late.items() if at <= now]:
            self.remove(number)
            del self.late[number]

    def present(self) -> list[int]:
        """Ids that the guest sees."""
        return [i for i, vcpu in enumerate(self.each) if vcpu.enabled and i not in self.dropped]

    def online(self, now: float) -> list[int]:
        """Ids that the guest uses."""
        return [i for i in self.present() if i not in self._offline and self._is_up(i, now)]

    def set_online(self, count: int, now: float) -> None:
        """What the agent does for libvirt: the lowest ids first, either way; never CPU 0.

        :raises Rejected: there are fewer
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
