# SPDX-License-Identifier: Apache-2.0
"""What a pass has read of the instances of a host, and what it reports to the meter."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.meter import PassEntry
from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.sample import Sample, of_pass
from nova_xloud.core.instance.state import DRIVEN_STATES, lacks_guest
from nova_xloud.core.size import Size


def is_driven(one: ManagedInstance) -> bool:
    """Return whether runs change the guest in the vm_state that the instance has.

    In other vm_states, such as ``error``, a run only claims what a running guest holds.
    """
    return one.view.vm_state in DRIVEN_STATES


def is_followed(one: ManagedInstance, stats: DomainStats | None) -> bool:
    """Return whether a pass checks the instance: if it is driven, or its guest is seen to run.

    :param stats: libvirt's statistics of the instance's domain; None if there is no domain, or if
        the domain was busy
    """
    return is_driven(one) or (stats is not None and stats.running)


@dataclass(frozen=True, slots=True)
class HostReading:
    """The instances that a pass checks, as it has read them.

    :ivar instances: the instances that are driven to their size or whose guest is seen to run
    :ivar domain_stats: libvirt's statistics of all domains of the host, by UUID; a domain that was
        busy may be missing
    :ivar reserved: the size that Placement has allocated to each of ``instances``, by UUID
    """

    instances: Sequence[ManagedInstance]
    domain_stats: Mapping[str, DomainStats]
    reserved: Mapping[str, Size]

    @property
    def here(self) -> frozenset[str]:
        """The UUIDs of all domains that were read and of all instances that are checked."""
        return frozenset((*self.domain_stats, *(one.uuid for one in self.instances)))


def entries_of(
    read: HostReading, busy: Collection[str], boot_grace: BootGrace
) -> dict[str, PassEntry]:
    """Return what a pass reports to the meter: an entry for each instance that it has checked.

    :param busy: UUIDs of the instances that had a run, queued or going on, before they were read or
        have one now. The record, the statistics and the allocation of such an instance may be of
        different moments, so its entry has no sample
    :param boot_grace: knows which guests are booting
    :returns: the entries by UUID
    """
    return {
        one.uuid: PassEntry(
            None if one.uuid in busy else _sample(read, one, boot_grace),
            one.view.facts.maximum,
            one.project_id,
        )
        for one in read.instances
    }


def _sample(read: HostReading, one: ManagedInstance, boot_grace: BootGrace) -> Sample:
    stats, view = read.domain_stats.get(one.uuid), one.view
    return of_pass(
        view.desired,
        read.reserved[one.uuid],
        stats,
        booting=stats is not None and boot_grace.is_booting(one.uuid, stats),
        is_off=view.vm_state == "stopped",
        lacks_guest=bool(lacks_guest(view.vm_state, view.task_state)),
    )
