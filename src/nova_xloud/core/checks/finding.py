# SPDX-License-Identifier: Apache-2.0
"""The rules for every elastic instance and every host, and what breaks each of them.

=======================  =======================================================================
code                     broken when
=======================  =======================================================================
reserved_below_held      less is allocated to an instance than its guest holds
reserved_below_defined   less is allocated to an instance than libvirt would start its guest with,
                         and no task runs
reserved_below_desired   less is allocated to an instance than its desired size, and no task runs
columns_differ           an instance's columns in Nova's database have another size than its
                         allocation, and no task runs
desired_out_of_bounds    the desired size of an instance is not one that its flavor allows
record_unreadable        the desired size of an instance cannot be read from its record
no_allocation            an instance has no allocation on its host, and nothing moves it
allocation_elsewhere     an instance has an allocation on a host where it is not, and nothing moves
                         it
host_oversold            all allocations of a resource class on a host are more than its capacity
orphaned_allocation      an allocation's consumer is no instance and no migration of this cloud
guest_unknown            never broken, only a note: what a guest holds is not known
=======================  =======================================================================

The codes are API: they do not change.
"""

from __future__ import annotations

from dataclasses import dataclass

_AT_NEXT_PASS = "nova-compute corrects this in its next pass ([xloud] reconcile_interval)"
_AUDIT = (
    "if nothing moves or builds the consumer, nova-manage placement audit --verbose "
    "--resource_provider PROVIDER reports the allocation, and with --delete removes it"
)

REMEDIES = {
    "reserved_below_held": f"{_AT_NEXT_PASS}; if it does not, the host has no room: adjust the "
    "instance to less, or make room on the host",
    "reserved_below_desired": f"{_AT_NEXT_PASS}; if it does not, the host has no room: adjust the "
    "instance to less, or make room on the host",
    "reserved_below_defined": f"{_AT_NEXT_PASS}; for an instance in ERROR, reset its state, or run "
    "virsh setvcpus and virsh setmem with --config",
    "columns_differ": f"{_AT_NEXT_PASS}; if it does not, adjust the instance: that writes both",
    "desired_out_of_bounds": "adjust the instance to a size between its minimum and its maximum",
    "record_unreadable": "adjust the instance, to the size that it has or another: that writes a "
    "new record; until then the instance keeps the size in its columns",
    "no_allocation": "run nova-manage placement heal_allocations --instance INSTANCE, and then "
    "adjust the instance to the size that it has",
    "allocation_elsewhere": _AUDIT,
    "host_oversold": "adjust instances on the host to less, or move one away; the allocation ratio "
    "or the host reserve may have been changed since",
    "orphaned_allocation": _AUDIT,
    "guest_unknown": "--libvirt HOST=URI reads the guests from the libvirt of a host; --no-guests "
    "checks no guests",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one instance or host breaks.

    :ivar code: the rule, one of the codes in this module's table
    :ivar instance: UUID of the instance, or of the allocation's consumer; None for a host's finding
    :ivar host: the compute host; None for an instance that is on no host
    :ivar what: the numbers, for people, without instance and host
    :ivar resource: ``vcpus``, ``memory_mb`` or a resource class, if the finding is about one
    :ivar provider: UUID of the resource provider, if it is not that of the instance
    :ivar note: True if no rule is broken and the finding is only worth knowing
    """

    code: str
    instance: str | None
    host: str | None
    what: str
    resource: str | None = None
    provider: str | None = None
    note: bool = False

    @property
    def key(self) -> tuple[str | None, ...]:
        """Identifies the finding: equal if the same is found again with other numbers."""
        subject = self.instance or self.host
        return (self.code, subject, self.resource, self.provider)

    @property
    def message(self) -> str:
        """The finding in one sentence: instance, host, numbers and remedy."""
        about = [f"instance {self.instance}"] if self.instance else []
        about += [f"host {self.host}"] if self.host else []
        return f"{' on '.join(about)}: {self.what}; {REMEDIES[self.code]}"
