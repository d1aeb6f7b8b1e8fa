# SPDX-License-Identifier: Apache-2.0
"""All that is known of an instance at one moment: the four numbers of each resource, and more."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Observed, Size

NOTHING = Size(0, 0)
SEEN_OFF = Observed(0, 0)
# The vm_states in which an adjustment is admitted.
ADJUSTABLE_STATES = ("active", "paused", "stopped")
# The vm_states in which an instance is driven to its desired size. Of any other, what a guest that
# runs all the same (``error``) holds is claimed.
DRIVEN_STATES = ("active", "paused", "stopped", "rescued", "resized")
# The vm_states in which there should be a guest, while no task is running.
_HAS_GUEST = ("active", "paused", "rescued")
# Those in which there may be one, and nothing promises it.
_MAY_HAVE_GUEST = ("building", "error")


def lacks_guest(vm_state: str, task_state: str | None, *, is_known: bool = True) -> str:
    """``vm_state``, where an instance without a guest should have one by it, or may; else empty.

    One that is stopped, suspended or shelved is as somebody wanted it: it has its size when it
    starts.

    :param is_known: the guest was looked for; else only what the vm_state leaves open is told
    """
    if vm_state in _MAY_HAVE_GUEST:
        return vm_state
    return vm_state if is_known and task_state is None and vm_state in _HAS_GUEST else ""


def must_be_claimed(held: Size, *, booting: bool, pinned_mb: int) -> Size:
    """The part of ``held`` that has to be reserved.

    All of it; but only the vCPUs while the guest boots, because nothing has used the memory that
    its balloon has not taken yet. Where memory is pinned, QEMU has taken all of it before the guest
    began.

    :param pinned_mb: the memory that stays in the host's RAM whatever the balloon does, MiB
    """
    return Size(held.vcpus, pinned_mb) if booting else held


@dataclass(frozen=True, slots=True)
class FourNumbers:
    """Of one instance; each as a size, so of both resources.

    :ivar desired: what was asked for
    :ivar reserved: what Placement holds
    :ivar actuated: what QEMU was set to; nothing while it is off
    :ivar observed: what the guest was seen to have; nothing while it is off, and None of a resource
        where nobody can tell: vCPUs without an agent, memory without a report of the driver
    """

    desired: Size
    reserved: Size
    actuated: Size
    observed: Observed


@dataclass(frozen=True, slots=True)
class InstanceState:
    """What was read of an instance.

    :ivar desired: its record; has the generation
    :ivar reserved: what Placement holds for it
    :ivar guest: the reading of its domain; None when there is none
    :ivar recorded: what the instance's own columns say that it holds; None: not looked at
    :ivar booting: its guest started so lately that its balloon may still be on the way
    :ivar lacks_guest: its vm_state, where by that there should be a guest, or may be one, and there
        is none; else empty
    :ivar driven: its vm_state is one in which it is driven to a size. Of any other (``error``) what
        a running guest holds is claimed, and nothing else is done
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
        guest = self.guest if self.running else None
        return FourNumbers(
            desired=self.desired.target,
            reserved=self.reserved,
            actuated=guest.actuated if guest is not None else NOTHING,
            observed=guest.observed if guest is not None else SEEN_OFF,
        )

    @property
    def running(self) -> bool:
        return self.guest is not None and self.guest.running

    @property
    def removal_unsettled(self) -> bool:
        """vCPUs were to be removed and are still there: adding one could crash the guest."""
        pending = self.desired.removal_pending
        return self.running and pending is not None and self.held.vcpus > pending

    @property
    def held(self) -> Size:
        """What the guest has, or may have for all that is known; nothing while it does not run."""
        return self.guest.held if self.running and self.guest is not None else NOTHING

    @property
    def invariant_holds(self) -> bool:
        """``reserved >= max(actuated, observed)``.

        By actuated alone for vCPUs that nobody observes, and by the maximum for memory: a guest
        that has reset itself has that, whatever QEMU says.
        """
        return self.reserved.covers(self.held)

    @property
    def must_be_claimed(self) -> Size:
        """The part of :attr:`held` that has to be reserved; see :func:`must_be_claimed`."""
        is_pinned = self.guest is not None and bool(self.guest.pinned)
        pinned_mb = self.held.memory_mb if is_pinned else 0
        return must_be_claimed(self.held, booting=self.booting, pinned_mb=pinned_mb)

    @property
    def defined(self) -> Size:
        """What libvirt would start its guest with; nothing where there is no such definition."""
        defined = None if self.guest is None else self.guest.defined
        return NOTHING if defined is None else defined

    @property
    def minimum_claim(self) -> Size:
        """The smallest claim that keeps the invariant when nothing is left to be done.

        Not less than what libvirt's definition would start the guest with: whoever starts it next
        need not be Nova with a new definition (a soft reboot, ``virsh start``).
        """
        return self.needed.at_least(self.defined)

    @property
    def needed(self) -> Size:
        """The least that may be reserved now without breaking the invariant.

        Of a guest that boots, no memory is given back before its balloon is where it should be.
        """
        needed = self.desired.claim.at_least(self.must_be_claimed)
        if self.booting and self.held.memory_mb > needed.memory_mb:
            return needed.at_least(Size(0, self.reserved.memory_mb))
        return needed
