# SPDX-License-Identifier: Apache-2.0
"""Between what and what an instance may be, and why not further.

One function, :func:`envelope`, is asked by scheduling, guest XML, API and the
compute host alike, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nova_xloud.core.minimums import read_minimums
from nova_xloud.core.size import Size
from nova_xloud.core.topology import MASKS, TOPOLOGY, always_plugged, threads_per_core

VCPUS = "vcpus"
MEMORY = "memory_mb"
# The image properties that are read here, by their Glance names.
IMAGE_PROPERTIES = (
    "hw_mem_page_size",
    "hw_locked_memory",
    "hw_cpu_realtime",
    "hw_mem_encryption",
    *MASKS,
    *TOPOLOGY,
)


@dataclass(frozen=True, slots=True)
class FlavorFacts:
    """What flavor and image say of an instance.

    :ivar maximum: the flavor's vCPUs and memory
    :ivar extra_specs: the flavor's
    :ivar image_properties: those of the image that are in ``IMAGE_PROPERTIES``
    :ivar dedicated_vcpus: how many vCPUs have a host CPU of their own: all of them with
        ``hw:cpu_policy=dedicated``, those of the mask with ``mixed``, else 0
    :ivar isolated_emulator: one more PCPU is claimed for emulator threads
    :ivar image_min_ram_mb: the image's ``min_ram``
    """

    maximum: Size
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    image_properties: Mapping[str, str] = field(default_factory=dict)
    dedicated_vcpus: int = 0
    isolated_emulator: bool = False
    image_min_ram_mb: int = 0

    def overrides(self, *resource_classes: str) -> str | None:
        """The extra spec that fixes what Placement holds of one of these classes, if one does."""
        for name in self.extra_specs:
            group, _, resource_class = name.partition(":")
            if group.startswith("resources") and resource_class in resource_classes:
                return name
        return None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a compute host adds; the defaults are a host that can do everything.

    :ivar virt_type: ``[libvirt] virt_type``
    :ivar balloon_device: ``mem_stats_period_seconds`` is not 0, so guests get one
    :ivar file_backed_memory: ``[libvirt] file_backed_memory`` is set
    :ivar memory_floor_mb: ``[xloud] memory_floor_mb``
    """

    virt_type: str = "kvm"
    balloon_device: bool = True
    file_backed_memory: bool = False
    memory_floor_mb: int = 256


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why one resource of an instance cannot be adjusted.

    :ivar resource: ``vcpus`` or ``memory_mb``
    :ivar why: completes the code ``xloud.blocked.<why>``; stable
    """

    resource: str
    why: str
    message: str

    @property
    def code(self) -> str:
        return f"xloud.blocked.{self.why}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The bounds of one instance.

    :ivar boot: what it boots with before it was ever adjusted
    :ivar minimum: the smallest size that may be asked for; of a resource that flavor or image
        block, the maximum
    :ivar maximum: the flavor's size, and the largest
    :ivar vcpu_step: vCPUs are adjusted in multiples of it
    :ivar elastic: whether the flavor names a minimum that is in force
    :ivar blockers: what stands in the way, per resource
    :ivar problems: extra specs that could not be used, one sentence each
    :ivar always_plugged: vCPUs that a guest with mixed CPUs always has; 0 for others
    """

    boot: Size
    minimum: Size
    maximum: Size
    vcpu_step: int
    elastic: bool
    blockers: tuple[Blocker, ...]
    problems: tuple[str, ...]
    always_plugged: int = 0

    def blocker_of(self, resource: str) -> Blocker | None:
        """The first blocker of ``resource``, if there is one."""
        return next((b for b in self.blockers if b.resource == resource), None)


def envelope(facts: FlavorFacts, host: HostFacts | None = None) -> Envelope:
    """The bounds of an instance.

    :param host: the host it is on; None where there is none yet (scheduling): then only
        flavor and image count, which every host then agrees with for the boot size
    """
    host_facts = host or HostFacts()
    minimums = read_minimums(facts.extra_specs, facts.maximum)
    # What a host adds must not change the boot size: the scheduler has claimed it already.
    own = _flavor_blockers(facts)
    blocked = {b.resource for b in own}
    maximum, step, plugged = facts.maximum, _vcpu_step(facts), _always_plugged(facts)

    def smallest_vcpus(wanted: int) -> int:
        """``wanted``, raised to the dedicated vCPUs of mixed ones, and to whole cores."""
        return min(-(-max(wanted, plugged) // step) * step, maximum.vcpus)

    boot, minimum = maximum, maximum
    if VCPUS not in blocked:
        least = smallest_vcpus(minimums.vcpus or 1)
        minimum = Size(least, minimum.memory_mb)
        boot = Size(maximum.vcpus if minimums.vcpus is None else least, boot.memory_mb)
    if MEMORY not in blocked:
        floor = max(host_facts.memory_floor_mb, facts.image_min_ram_mb)
        floor = min(floor, maximum.memory_mb)
        minimum = Size(minimum.vcpus, minimums.memory_mb or floor)
        boot = Size(boot.vcpus, minimums.memory_mb or maximum.memory_mb)
    return Envelope(
        boot=boot,
        minimum=minimum,
        maximum=maximum,
        vcpu_step=step,
        elastic=boot != maximum,
        blockers=own + _host_blockers(host_facts),
        problems=minimums.problems,
        always_plugged=plugged,
    )


def _always_plugged(facts: FlavorFacts) -> int:
    return always_plugged(
        facts.dedicated_vcpus, facts.maximum.vcpus, facts.extra_specs, facts.image_properties
    )


def _vcpu_step(facts: FlavorFacts) -> int:
    """Threads per core of the guest: a core is plugged whole."""
    return threads_per_core(facts.maximum.vcpus, facts.extra_specs, facts.image_properties)


_PINNED = "so its memory is pinned and a balloon would free nothing"


def _flavor_blockers(facts: FlavorFacts) -> tuple[Blocker, ...]:
    found = [Blocker(MEMORY, why, f"{what}, {_PINNED}") for why, what in _pinned_memory(facts)]
    for resource, classes in ((VCPUS, ("VCPU", "PCPU")), (MEMORY, ("MEMORY_MB",))):
        if name := facts.overrides(*classes):
            message = f"extra spec {name} fixes what Placement holds; remove it to adjust this size"
            found.append(Blocker(resource, "resource_override", message))
    return tuple(found)


def _pinned_memory(facts: FlavorFacts) -> list[tuple[str, str]]:
    specs, image = facts.extra_specs, facts.image_properties

    def named(spec: str, prop: str) -> str:
        return str(specs.get(spec) or image.get(prop) or "")

    found = []
    page_size = named("hw:mem_page_size", "hw_mem_page_size").lower()
    if page_size in ("any", "large"):
        # Nova lets an image choose where the flavor leaves it open.
        page_size = str(image.get("hw_mem_page_size") or page_size).lower()
    if page_size not in ("", "small"):
        found.append(("huge_pages", f"the instance asks for memory pages of size {page_size!r}"))
    if _true(named("hw:locked_memory", "hw_locked_memory")):
        found.append(("locked_memory", "the instance asks for locked memory"))
    if specs.get("hw:pmem"):
        found.append(("vpmem", "the instance has virtual persistent memory"))
    if _true(named("hw:cpu_realtime", "hw_cpu_realtime")):
        found.append(("realtime", "the instance is a realtime guest"))
    if _true(named("hw:mem_encryption", "hw_mem_encryption")):
        found.append(("memory_encryption", "the instance's memory is encrypted"))
    vfio = specs.get("pci_passthrough:alias") or specs.get("accel:device_profile")
    if vfio or any(n.startswith("resources") and n.endswith(":VGPU") for n in specs):
        found.append(("vfio", "the instance has a device passed through"))
    return found


def _host_blockers(host: HostFacts) -> tuple[Blocker, ...]:
    found = []
    if host.virt_type not in ("kvm", "qemu"):
        message = f"the host's virt_type is {host.virt_type!r}; only kvm and qemu can do it"
        found += [Blocker(r, "hypervisor", message) for r in (VCPUS, MEMORY)]
    if not host.balloon_device:
        message = "the host gives no balloon device: [libvirt] mem_stats_period_seconds is 0"
        found.append(Blocker(MEMORY, "no_balloon", message))
    if host.file_backed_memory:
        found.append(
            Blocker(MEMORY, "file_backed_memory", f"the host uses file-backed memory, {_PINNED}")
        )
    return tuple(found)


def _true(text: str) -> bool:
    return text.strip().lower() in ("1", "t", "true", "on", "y", "yes")
