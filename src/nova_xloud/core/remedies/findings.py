# SPDX-License-Identifier: Apache-2.0
"""Findings of ``nova-xloud-status invariants``: what each code means, and what to do.

When exactly each rule is broken is in :mod:`nova_xloud.core.checks.finding`. Only operators meet
these codes, so ``do`` is for them.
"""

from __future__ import annotations

from nova_xloud.core.remedies.remedy import Remedy

_NEXT_PASS = "The next pass over the instance's host corrects this (`[xloud] reconcile_interval`)."
_NO_ROOM = (
    f"{_NEXT_PASS} Where the finding stays, the host has no room: adjust the instance to less, or "
    "make room on the host."
)
_AUDIT = (
    "If nothing moves or builds the consumer, `nova-manage placement audit --verbose "
    "--resource_provider PROVIDER` reports the allocation, and with `--delete` removes it."
)

FINDINGS: dict[str, Remedy] = {
    "reserved_below_defined": Remedy(
        means="The persistent definition of an instance in libvirt is larger than what is reserved "
        "for the instance: a soft reboot, `virsh start` or the end of a rescue would start that "
        "size.",
        do="The next pass over the instance's host sets the definition to the persisted size "
        "(`[xloud] reconcile_interval`). For an instance in `ERROR` it leaves the definition as it "
        "is, and claims that size if the guest runs and the host has room. Where the finding "
        "stays, reset the instance's state (`openstack server set --state active`), or run `virsh "
        "setvcpus` and `virsh setmem` with `--config`.",
    ),
    "reserved_below_held": Remedy(
        means="More is held by a guest than is reserved for it. The instance has the condition "
        "`ReservedTooLittle`, unless the guest has just started and the difference is memory that "
        "is not pinned: then the finding is only a note.",
        do=_NO_ROOM,
        see="admin/conditions.md#reservedtoolittle",
    ),
    "reserved_below_desired": Remedy(
        means="Less is reserved for an instance than is desired.",
        do=_NO_ROOM,
    ),
    "columns_differ": Remedy(
        means="The size that is recorded in Nova's database is not the one that is reserved in "
        "Placement.",
        do=f"{_NEXT_PASS} Where the finding stays, adjust the instance: that writes both the "
        "columns and the allocation.",
    ),
    "desired_out_of_bounds": Remedy(
        means="The desired size of an instance is not a size that the instance's flavor allows.",
        do="Adjust the instance to a size between its minimum and its maximum.",
    ),
    "record_unreadable": Remedy(
        means="The desired size of an instance cannot be read from its record.",
        do="Adjust the instance, to the size that it has or another: that writes a new record. "
        "Until then the instance keeps the size in its columns.",
    ),
    "no_allocation": Remedy(
        means="Placement has no allocation of the instance on its host.",
        do="Run `nova-xloud-run nova-manage placement heal_allocations --instance INSTANCE`, and "
        "then adjust the instance to the size that it has.",
    ),
    "allocation_elsewhere": Remedy(
        means="Placement has an allocation of an instance on a host where the instance is not, and "
        "no operation moves the instance.",
        do=_AUDIT,
    ),
    "host_oversold": Remedy(
        means="More is allocated on a host than the host's inventory in Placement allows. Most "
        "likely the inventory has become smaller after the allocations were made: by a lower "
        "allocation ratio, a larger `reserved`, or less hardware.",
        do="Adjust instances on the host to less, move one away, or undo the change of the "
        "inventory.",
    ),
    "orphaned_allocation": Remedy(
        means="An allocation is of no instance and no migration of this cloud.",
        do=_AUDIT,
    ),
    "guest_unknown": Remedy(
        means="What a guest has could not be read. This is a note, and no broken rule.",
        do="Read the guests from the libvirt of the host with `nova-xloud-status invariants "
        "--libvirt HOST=URI`, or check no guests with `--no-guests`.",
    ),
}
