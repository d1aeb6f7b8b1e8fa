# SPDX-License-Identifier: Apache-2.0
"""The reasons in flavor, image and host why a resource of an instance cannot be adjusted.

One reason is weaker: vCPUs can be added to some running guests, and not be removed from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.sizing.facts import MEMORY, VCPUS, FlavorFacts, HostFacts
from nova_xloud.core.sizing.platform import cannot_plug, keeps_vcpus
from nova_xloud.printable import one_line


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why one resource of an instance cannot be adjusted, or not to every size in its bounds.

    :ivar resource: ``vcpus`` or ``memory_mb``
    :ivar why: the last part of the code ``xloud.blocked.<why>``; it never changes
    :ivar message: the reason, for people, as one line of visible text: a part of it may be of an
        image, which tenants write
    """

    resource: str
    why: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))

    @property
    def code(self) -> str:
        """The stable reason code, ``xloud.blocked.<why>``."""
        return f"xloud.blocked.{self.why}"


_PINNED = "so its memory is pinned and a balloon would free nothing"


def flavor_blockers(facts: FlavorFacts) -> tuple[Blocker, ...]:
    """Return the blockers that follow from the flavor and the image alone; they hold on any host.

    A resource may have several; the result is empty if neither resource has one.
    """
    found = [Blocker(MEMORY, why, f"{what}, {_PINNED}") for why, what in _pinned_memory(facts)]
    if model := _encrypted_state(facts):
        message = f"the state of the instance's vCPUs is encrypted ({model}), so none can be added"
        found.append(Blocker(VCPUS, "memory_encryption", message))
    if reason := cannot_plug(facts.architecture, facts.machine):
        found.append(Blocker(VCPUS, "vcpu_hotplug", f"{reason}; another image is needed"))
    for resource, classes in ((VCPUS, ("VCPU", "PCPU")), (MEMORY, ("MEMORY_MB",))):
        if name := facts.overrides(*classes):
            message = (
                f"extra spec {name} fixes the amount in Placement; to adjust this resource, "
                f"resize the server to a flavor without that extra spec"
            )
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
    if _encrypted(facts) or _encrypted_state(facts):
        found.append(("memory_encryption", "the instance's memory is encrypted"))
    vfio = specs.get("pci_passthrough:alias") or specs.get("accel:device_profile")
    if vfio or any(n.startswith("resources") and n.endswith(":VGPU") for n in specs):
        found.append(("vfio", "the instance has a device passed through"))
    return found


# By the host's trait, the models that encrypt the state of vCPUs too, which SEV leaves to the
# hypervisor. The vCPUs of such a guest are measured before it starts, so none can be added.
_ENCRYPTED_STATE = {
    "HW_CPU_X86_AMD_SEV_ES": "amd-sev-es",
    "HW_CPU_X86_AMD_SEV_SNP": "amd-sev-snp",
    "HW_CPU_X86_INTEL_TDX": "intel-tdx",
}
_SEV = "amd-sev"


def _encrypted(facts: FlavorFacts) -> bool:
    specs, image = facts.extra_specs, facts.image_properties
    named = specs.get("hw:mem_encryption") or image.get("hw_mem_encryption") or ""
    return _true(str(named))


def _encrypted_state(facts: FlavorFacts) -> str | None:
    """Return the model of memory encryption if it encrypts the state of vCPUs too; else None.

    If the flavor or the image asks for memory encryption, every model but ``amd-sev`` is taken to
    encrypt the state of vCPUs. Otherwise the result is the model (SEV-ES, SEV-SNP or TDX) whose
    trait the flavor or the image requires of the host.
    """
    specs, image = facts.extra_specs, facts.image_properties
    model = specs.get("hw:mem_encryption_model") or image.get("hw_mem_encryption_model") or _SEV
    if _encrypted(facts) and str(model).lower() != _SEV:
        return str(model)
    required = (model for t, model in _ENCRYPTED_STATE.items() if facts.requires_trait(t))
    return next(required, None)


def removal_blocker(facts: FlavorFacts, host: HostFacts) -> Blocker | None:
    """Return why vCPUs can never be removed from a running guest; None if they may be removed.

    It does not follow that vCPUs can be added: see :func:`flavor_blockers`, :func:`host_blockers`.
    """
    reason = keeps_vcpus(facts.architecture or host.architecture, facts.systems)
    if reason is None:
        return None
    message = (
        f"{reason}, so vCPUs cannot be removed while the guest runs; vCPUs can be added, and a "
        f"stopped server can be made smaller"
    )
    return Blocker(VCPUS, "vcpu_removal", message)


def host_blockers(host: HostFacts) -> tuple[Blocker, ...]:
    """Return the blockers that follow from the compute host alone; they hold for any flavor."""
    found = []
    if host.virt_type not in ("kvm", "qemu"):
        message = (
            f"the host's virt_type is {host.virt_type!r}; only kvm and qemu guests can be adjusted"
        )
        found += [Blocker(r, "hypervisor", message) for r in (VCPUS, MEMORY)]
    if reason := cannot_plug(host.architecture, host.machine):
        message = f"{reason}, and the compute host makes such guests; the server needs another host"
        found.append(Blocker(VCPUS, "vcpu_hotplug", message))
    if not host.balloon_device:
        message = (
            "the compute host gives no balloon device, because [libvirt] mem_stats_period_seconds "
            "is 0 or less"
        )
        found.append(Blocker(MEMORY, "no_balloon", message))
    if host.file_backed_memory:
        found.append(
            Blocker(MEMORY, "file_backed_memory", f"the host uses file-backed memory, {_PINNED}")
        )
    return tuple(found)


def _true(text: str) -> bool:
    return text.strip().lower() in ("1", "t", "true", "on", "y", "yes")
