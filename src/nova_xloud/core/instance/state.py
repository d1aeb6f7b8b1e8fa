# SPDX-License-Identifier: Apache-2.0
"""The state of an instance at one moment: its four sizes, and what must be claimed for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Observed, Size

NOTHING = Size(0, 0)
SEEN_OFF = Observed(0, 0)
# The vm_states in which an adjustment is admitted.
ADJUSTABLE_STATES = ("active", "paused", "stopped")
# The vm_states in which an instance is driven to its desired size. In any other, such as error, a
# guest may still run: what it holds is claimed and recorded, and the guest is left as it is.
DRIVEN_STATES = ("active", "paused", "stopped", "rescued", "resized")
# The vm_states in which there should be a guest, while no task is running.
_HAS_GUEST = ("active", "paused", "rescued")
# The vm_states in which there is no guest.
WITHOUT_GUEST = ("stopped", "shelved", "shelved_offloaded", "soft-delete", "deleted")
# The vm_states in which there may be a guest or not.
_MAY_HAVE_GUEST = ("building", "error")


def lacks_guest(vm_state: str, task_state: str | None, *, is_known: bool = True) -> str:
    """Return ``vm_state`` if an instance without a guest should or may have one; else "".

    In ``building`` and ``error`` an instance may have a guest or not. In ``active``, ``paused`` and
    ``rescued`` it should have one, but while a task is running the guest may be missing for a
    moment. In all other vm_states the result is "".

    :param task_state: None if no task is running
    :param is_known: whether libvirt was asked and has no guest. If it was not asked, only
        ``building`` and ``error`` are returned
    """
    if vm_state in _MAY_HAVE_GUEST:
        return vm_state
    return vm_state if is_known and task_state is None and vm_state in _HAS_GUEST else ""


def must_be_claimed(held: Size, *, booting: bool, pinned_mb: int) -> Size:
    """Return the part of ``held`` that must be claimed: all of it, unless the guest is booting.

    While the guest boots, its balloon is about to take memory, so only the vCPUs and ``pinned_mb``
    must be claimed. A balloon frees nothing of pinned memory.

    :param pinned_mb: the memory that stays in the host's RAM whatever the balloon does, MiB; 0 if
        the memory is not pinned
    """
    return Size(held.vcpus, pinned_mb) if booting else held


@dataclass(frozen=True, slots=True)
class FourNumbers:
    """The four sizes of one instance: the four numbers of each resource.

    :ivar desired: the size that a running guest is driven to
    :ivar reserved: the same as in :class:`InstanceState`
    :ivar actuated: the size that QEMU has; 0 and 0 while the guest is off, or if libvirt was not
        asked
    :ivar observed: the size that the guest was seen to have; 0 and 0 while it is off, or if libvirt
        was not asked. Its vCPUs are None without an answer of the guest agent. Its memory is None
        if it is neither pinned nor confirmed by the balloon driver
    """

    desired: Size
    reserved: Size
    actuated: Size
    observed: Observed


@dataclass(frozen=True, slots=True)
class InstanceState:
    """What is known of an instance at one moment: its record, its claim and its guest.

    If the compute host cannot tell, nova-api makes one from Nova's database alone.

    :ivar desired: the instance's record
    :ivar reserved: the size that Placement has allocated to the instance; from the database alone:
        the size in the instance's columns, or 0 and 0 if the instance is on no host
    :ivar guest: the reading of the libvirt domain; None if there is no domain, or if libvirt was
        not asked
    :ivar recorded: the size in the instance's columns in Nova's database; None if not read
    :ivar booting: whether the guest started so lately that its balloon may still be inflating
    :ivar driven: whether the instance is driven to its desired size in its vm_state. If not, as in
        ``error``, what a running guest holds or would start with is claimed and recorded, and the
        guest is left as it is. From the database alone: always True
    :ivar lacks_guest: the result of :func:`lacks_guest` if no guest is known to run; else empty
    """

    desired: Desired
    reserved: Size
    guest: DomainReading | None
    recorded: Size | None = None
    booting: bool = False
    driven: bool = True
    lacks_guest: str = ""

    @property
    def numbers(self) -> FourNumbers:
        """The four sizes of the instance."""
        guest = self.guest if self.running else None
        return FourNumbers(
            desired=self.desired.target,
            reserved=self.reserved,
            actuated=guest.actuated if guest is not None else NOTHING,
            observed=guest.observed if guest is not None else SEEN_OFF,
        )

    @property
    def as_found(self) -> Desired:
        """The record, raised to the size in the columns if stock Nova has started the guest.

        Only the record of an instance that was never adjusted is raised.

        A guest that stock Nova has started has its flavor's maximum. A request for other memory
        must not remove its vCPUs, and a request for other vCPUs must not shrink its memory. Such a
        guest is recognised by more vCPUs than are desired, or by autodeflate, which a guest that
        nova-xloud has started below its maximum does not have. More memory than is desired is no
        sign: a balloon may still be inflating.
        """
        desired, guest = self.desired, self.guest
        if desired.generation or self.recorded is None or guest is None or not guest.running:
            return desired
        if guest.autodeflate or guest.vcpus > desired.persisted.vcpus:
            return replace(desired, persisted=desired.persisted.at_least(self.recorded))
        return desired

    @property
    def running(self) -> bool:
        """Whether there is a guest and it runs, paused or not; False if libvirt was not asked."""
        return self.guest is not None and self.guest.running

    @property
    def removal_unsettled(self) -> bool:
        """Whether vCPUs to be removed are seen to be still plugged.

        Then adding one could crash the guest.
        """
        pending = self.desired.removal_pending
        return self.running and pending is not None and self.held.vcpus > pending

    @property
    def held(self) -> Size:
        """The size that the guest holds; 0 and 0 if it is off, or if libvirt was not asked.

        The maximum of memory counts if it is not known how much the guest has.
        """
        return self.guest.held if self.running and self.guest is not None else NOTHING

    @property
    def invariant_holds(self) -> bool:
        """Whether ``reserved`` covers :attr:`held`.

        All vCPUs that QEMU has count, also those that the guest has taken offline. Memory that is
        not observed counts as the maximum, because a guest that has reset itself may have that,
        whatever QEMU reports.
        """
        return self.reserved.covers(self.held)

    @property
    def must_be_claimed(self) -> Size:
        """The part of :attr:`held` that must be claimed.

        While the guest boots, its memory does not count, unless the memory is pinned.
        """
        is_pinned = self.guest is not None and bool(self.guest.pinned)
        pinned_mb = self.held.memory_mb if is_pinned else 0
        return must_be_claimed(self.held, booting=self.booting, pinned_mb=pinned_mb)

    @property
    def defined(self) -> Size:
        """The size that libvirt's persistent definition would start the guest with.

        It is 0 and 0 if there is no definition, or if the definition was not read.
        """
        defined = None if self.guest is None else self.guest.defined
        return NOTHING if defined is None else defined

    @property
    def minimum_claim(self) -> Size:
        """The smallest claim that covers :attr:`needed` and :attr:`defined`.

        The definition counts, because the next start need not come from Nova with a new definition:
        it may be a soft reboot or ``virsh start``.
        """
        return self.needed.at_least(self.defined)

    @property
    def needed(self) -> Size:
        """The smallest claim that covers what the record desires and what must be claimed now.

        While a guest that boots holds more memory than that, all reserved memory counts as needed,
        because its balloon has not reached its target yet.
        """
        needed = self.desired.claim.at_least(self.must_be_claimed)
        if self.booting and self.held.memory_mb > needed.memory_mb:
            return needed.at_least(Size(0, self.reserved.memory_mb))
        return needed
