# SPDX-License-Identifier: Apache-2.0
"""The rules for every elastic instance and every host, and what breaks each of them.

"No task runs" means here that the instance's task_state is None. For ``reserved_below_held`` and
``reserved_below_defined``, what is allocated to a migration of the instance on the same host counts
as allocated to the instance.

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
                         flavor and image allow, whatever the options of the memory floor are
record_unreadable        the desired size of an instance cannot be read from its record
no_allocation            an instance has no allocation on its host, no task runs, and no migration
                         of it is under way
allocation_elsewhere     an instance has an allocation on a host where it is not, no task runs, and
                         no migration of it is under way; not on a host that it was evacuated from
                         and that has not come back to clean up
host_oversold            the allocations of a resource class on a host are in total more than the
                         host's capacity of that class
orphaned_allocation      an allocation's consumer is no instance and no migration of this cloud
guest_unknown            never broken, only a note: what a guest holds is not known, and no task
                         runs; or no guest of a host was read, for its nova-compute is down
=======================  =======================================================================

The codes are API: they do not change. What to do about each is in
:mod:`nova_xloud.core.remedies.findings`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.remedies.findings import FINDINGS


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that an instance or a host breaks, or a note about one of them.

    :ivar code: the rule, one of the codes in this module's table
    :ivar instance: UUID of the instance, or of the allocation's consumer; None if the finding is
        about a host
    :ivar host: the instance's compute host, or the host of the allocations that the finding is
        about; None for an instance that is on no host
    :ivar what: the numbers, for people, without instance and host
    :ivar resource: ``vcpus``, ``memory_mb`` or a resource class; None if the finding is not about
        just one
    :ivar provider: UUID of the resource provider of an ``allocation_elsewhere``, a
        ``host_oversold`` or an ``orphaned_allocation``; None for the other codes
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
        """Code, instance or else host, resource and provider of the finding.

        A finding of the same fault with other numbers has the same key.
        """
        subject = self.instance or self.host
        return (self.code, subject, self.resource, self.provider)

    @property
    def message(self) -> str:
        """The finding as text for people: instance, host, numbers and remedy."""
        about = [f"instance {self.instance}"] if self.instance else []
        about += [f"host {self.host}"] if self.host else []
        return f"{' on '.join(about)}: {self.what}. {FINDINGS[self.code].advice}"
