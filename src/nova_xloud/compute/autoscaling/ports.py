# SPDX-License-Identifier: Apache-2.0
"""The port of automatic growth: what it reads of guests, Placement and quota.

Automatic growth uses the ports of the engine (:mod:`nova_xloud.compute.ports`) too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nova_xloud.core.autoscaling.contest import HostRoom
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size


class ScaledGuests(Protocol):
    """Reads the guests of this host, what Placement has on the host, and the quota of growth."""

    def samples(
        self, desired: Mapping[str, Size], periods: Mapping[str, float]
    ) -> Mapping[str, GuestSample]:
        """Return a sample of each guest of ``desired``, by UUID, from one call to libvirt.

        A guest that is off, paused or crashed has no sample. A QEMU that hangs delays the
        answer for as long as it hangs.

        :param desired: the size that each instance is to have, by UUID
        :param periods: seconds between two reports of each guest's balloon driver, by UUID
        :raises DomainError: libvirt could not be asked
        """

    def room(self, node: str) -> HostRoom:
        """Return capacity and allocations of a compute node in Placement, by resource class.

        :param node: the hypervisor hostname of the compute node
        :raises PlacementUnavailable: Placement could not be asked
        :raises NotFound: the compute node is not one of this host's
        """

    def check_growth(self, uuid: str, size: Size) -> None:
        """Raise unless the quota allows an instance to grow to ``size``.

        nova-conductor is asked, because a compute host cannot read the quota.

        :raises Refused: the quota does not allow it, or could not be checked; the code says which
        """
