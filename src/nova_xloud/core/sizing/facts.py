# SPDX-License-Identifier: Apache-2.0
"""What is known of an instance before it has a guest: its flavor, its image and its host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.topology import MASKS, TOPOLOGY

VCPUS = "vcpus"
MEMORY = "memory_mb"
# The image properties that are read here, by their Glance names.
IMAGE_PROPERTIES = (
    "hw_mem_page_size",
    "hw_locked_memory",
    "hw_cpu_realtime",
    "hw_mem_encryption",
    "hw_mem_encryption_model",
    "hw_architecture",
    "hw_emulation_architecture",
    "hw_machine_type",
    "os_type",
    "os_distro",
    "traits_required",
    *MASKS,
    *TOPOLOGY,
)


@dataclass(frozen=True, slots=True)
class FlavorFacts:
    """What is known of an instance from its flavor and its image.

    :ivar maximum: the flavor's vCPUs and memory
    :ivar extra_specs: the flavor's extra specs
    :ivar image_properties: the properties of the image that are in ``IMAGE_PROPERTIES``
    :ivar dedicated_vcpus: how many of the maximum's vCPUs have a host CPU of their own: all of them
        with the CPU policy ``dedicated``, those of the mask with ``mixed``, else 0
    :ivar isolated_emulator: whether the flavor isolates emulator threads
        (``hw:emulator_threads_policy=isolate``); if vCPUs are dedicated, one more PCPU is claimed
    :ivar image_min_ram_mb: the image's ``min_ram``, MiB
    :ivar memory_floor_mb: the least memory that the flavor may name as its minimum, MiB: the result
        of :meth:`nova_xloud.core.sizing.minimums.MemoryFloor.of` with the options in nova.conf; 0
        where the options are not to count. A smaller minimum is raised to it. If the flavor names
        no minimum of memory, it has no effect
    """

    maximum: Size
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    image_properties: Mapping[str, str] = field(default_factory=dict)
    dedicated_vcpus: int = 0
    isolated_emulator: bool = False
    image_min_ram_mb: int = 0
    memory_floor_mb: int = 0

    @property
    def architecture(self) -> str | None:
        """The guest's CPU architecture, as the image names it; None if the image names none.

        ``hw_emulation_architecture`` counts before ``hw_architecture``. A guest whose image names
        neither has the architecture of its host.
        """
        image = self.image_properties
        return image.get("hw_emulation_architecture") or image.get("hw_architecture")

    @property
    def machine(self) -> str | None:
        """QEMU's machine type, as the image names it; None if the image names none."""
        return self.image_properties.get("hw_machine_type")

    @property
    def systems(self) -> tuple[str, ...]:
        """The image's ``os_type`` and ``os_distro``; an empty string for one that is not set."""
        return tuple(self.image_properties.get(name, "") for name in ("os_type", "os_distro"))

    def requires_trait(self, trait: str) -> bool:
        """Return whether the flavor or the image requires ``trait`` of the compute host.

        If the flavor names the trait, only the flavor counts.
        """
        for name, value in self.extra_specs.items():
            group, _, named = name.partition(":")
            if group.startswith("trait") and named == trait:
                return str(value).strip().lower() == "required"
        return f"'{trait}'" in self.image_properties.get("traits_required", "")

    def overrides(self, *resource_classes: str) -> str | None:
        """Return the name of an extra spec that fixes the amount of one of ``resource_classes``.

        An example is ``resources:VCPU``. None if the flavor has no such extra spec.
        """
        for name in self.extra_specs:
            group, _, resource_class = name.partition(":")
            if group.startswith("resources") and resource_class in resource_classes:
                return name
        return None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is known of a compute host; the defaults describe a host that has no blockers.

    :ivar virt_type: ``[libvirt] virt_type``; ``compute_driver`` on a host with another driver than
        libvirt's
    :ivar balloon_device: whether guests get a balloon: ``[libvirt] mem_stats_period_seconds`` is
        above 0
    :ivar file_backed_memory: whether ``[libvirt] file_backed_memory`` is set
    :ivar memory_floor_mb: ``[xloud] memory_floor_mb``, MiB
    :ivar architecture: the host's CPU architecture; None if not known
    :ivar machine: the machine type of guests whose image names none; None if not known
    """

    virt_type: str = "kvm"
    balloon_device: bool = True
    file_backed_memory: bool = False
    memory_floor_mb: int = 256
    architecture: str | None = None
    machine: str | None = None
