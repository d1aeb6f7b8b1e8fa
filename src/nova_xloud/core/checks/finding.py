# SPDX-License-Identifier: Apache-2.0
"""The rules that hold of every elastic instance and every host, and what breaks one of them.

=======================  =======================================================================
code                     broken when
=======================  =======================================================================
reserved_below_held      Placement has less for an instance than its guest holds
reserved_below_defined   Placement has less for it than libvirt would start its guest with, and no
                         task runs
reserved_below_desired   Placement has less for it than is desired of it, and no task runs
columns_differ           its columns in Nova's database say another size than Placement, and no
                         task runs
desired_out_of_bounds    what is desired of it is not a size that its flavor allows
record_unreadable        what is desired of it cannot be read from its record
no_allocation            it is on a host where Placement has nothing for it, and nothing moves it
allocation_elsewhere     Placement has something for it on a host where it is not, and nothing
                         moves it
host_oversold            all allocations of a resource class on a host are more than its capacity
orphaned_allocation      an allocation's consumer is no instance and no migration of this cloud
guest_unknown            never broken, a note: nobody told what a guest holds
=======================  =======================================================================

The codes are API: they do not change.
"""

from __future__ import annotations

from dataclasses import dataclass

_AT_NEXT_PASS = "nova-compute puts it right when it next looks ([xloud] reconcile_interval)"
_AUDIT = (
    "when nothing moves or builds it, nova-manage placement audit --verbose "
    "--resource_provider PROVIDER says the same, and with --delete drops it"
)

REMEDIES = {
    "reserved_below_held": f"{_AT_NEXT_PASS}; where it stays, the host has no room for it: adjust "
    "the instance to less, or make room there",
    "reserved_below_desired": f"{_AT_NEXT_PASS}; where it stays, the host has no room for it: "
    "adjust the instance to less, or make room there",
    "reserved_below_defined": f"{_AT_NEXT_PASS}; of an instance in ERROR, reset its state, or "
    "virsh setvcpus and virsh setmem with --config",
    "columns_differ": f"{_AT_NEXT_PASS}; where it stays, adjust the instance: that writes both",
    "desired_out_of_bounds": "adjust the instance to a size between its minimum and its maximum",
    "record_unreadable": "adjust the instance, to the size that it has or another: that writes its "
    "record anew; until then it keeps the size in its columns",
    "no_allocation": "nova-manage placement heal_allocations --instance INSTANCE, and then adjust "
    "it to the size it has",
    "allocation_elsewhere": _AUDIT,
    "host_oversold": "adjust instances there to less, or move one away; the allocation ratio and "
    "what the host reserves for itself may have been changed since",
    "orphaned_allocation": _AUDIT,
    "guest_unknown": "--libvirt HOST=URI asks the libvirt of a host itself; --no-guests leaves "
    "all guests out",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one instance or host breaks.

    :ivar code: see the module
    :ivar instance: UUID of the instance, or of the consumer; None for a host's
    :ivar what: the numbers, for people, without instance and host
    :ivar resource: ``vcpus``, ``memory_mb`` or a resource class, where it is about one
    :ivar provider: resource provider that it is about, where that is not the instance's own
    :ivar note: worth to be known, and not a broken rule
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
        """The same for the same thing, seen again with other numbers."""
        subject = self.instance or self.host
        return (self.code, subject, self.resource, self.provider)

    @property
    def message(self) -> str:
        """All of it in one sentence, with the remedy."""
        about = [f"instance {self.instance}"] if self.instance else []
        about += [f"host {self.host}"] if self.host else []
        return f"{' on '.join(about)}: {self.what}; {REMEDIES[self.code]}"
