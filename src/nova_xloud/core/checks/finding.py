# SPDX-License-Identifier: Apache-2.0
"""The rules for every elastic instance and every host, and what breaks each of them.

=======================  =======================================================================
code                     broken when
=======================  =======================================================================
reserved_below_held      less is allocated to an instance than its guest holds; only a note if the
                         guest has just started, and the difference is memory that is not pinned
reserved_below_defined   less is allocated to an instance than libvirt would start its guest with,
                         and no task runs
reserved_below_desired   less is allocated to an instance than its desired size, persisted or live,
                         and no task runs
columns_differ           an instance's columns in Nova's database have another size than its
                         allocation, and no task runs
desired_out_of_bounds    the desired size of an instance, persisted or live, is not one that its
                         flavor allows, whatever the options of the memory floor are
record_unreadable        the desired size of an instance cannot be read from its record
no_allocation            an instance has no allocation on its host, no task runs, and no migration
                         of it is under way
allocation_elsewhere     an instance has an allocation on a host where it is not, no task runs, and
                         no migration of it is under way; not on a host that it was evacuated from
                         and that has not come back to clean up
host_oversold            all allocations of a resource class on a host are more than its capacity
orphaned_allocation      an allocation's consumer is no instance and no migration of this cloud
guest_unknown            never broken, only a note: what a guest holds is not known, and no task
                         runs
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
    """One rule that one instance or host breaks, or a note about one instance.

    :ivar code: the rule, one of the codes in this module's table
    :ivar instance: UUID of the instance, or of the allocation's consumer; None for a host's finding
    :ivar host: the compute host; None for an instance that is on no host
    :ivar what: the numbers, for people, without instance and host
    :ivar resource: ``vcpus``, ``memory_mb`` or a resource class; None if the finding is not about
        just one
    :ivar provider: UUID of the resource provider whose allocations the finding is about; None if
        that is the provider of the instance
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
        """What identifies the finding: the same fault with other numbers has the same key."""
        subject = self.instance or self.host
        return (self.code, subject, self.resource, self.provider)

    @property
    def message(self) -> str:
        """The finding in one sentence: instance, host, numbers and remedy."""
        about = [f"instance {self.instance}"] if self.instance else []
        about += [f"host {self.host}"] if self.host else []
        return f"{' on '.join(about)}: {self.what}; {REMEDIES[self.code]}"
