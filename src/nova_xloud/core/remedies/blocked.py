# SPDX-License-Identifier: Apache-2.0
"""Blockers: what each code ``xloud.blocked.<why>`` means, and what to do."""

from __future__ import annotations

from nova_xloud.core.remedies.remedy import REBOOT, WHILE_STOPPED, Remedy

_VCPUS, _MEMORY = "vCPUs", "memory"
_SHOW = "`openstack server adjust show` lists all blockers of the server."


def _other_flavor(without: str) -> str:
    return f"Resize the server to a flavor without {without} (`openstack server resize`). {_SHOW}"


def _other_flavor_or_image(without: str) -> str:
    return (
        f"Resize the server to a flavor without {without} (`openstack server resize`), or use an "
        f"image without that. {_SHOW}"
    )


BLOCKED: dict[str, Remedy] = {
    "xloud.blocked.boot_vcpus": Remedy(
        about=_VCPUS,
        means="The vCPUs were there at boot and are not hotpluggable: the flavor names no minimum "
        "and the server was never adjusted, or the server was started without nova-xloud.",
        do=WHILE_STOPPED,
    ),
    "xloud.blocked.removal_unsettled": Remedy(
        about=_VCPUS,
        means="Some vCPUs were to be unplugged, `[xloud] step_timeout` ran out, and they are still "
        "there. The guest may let them go at any later moment, and to add a vCPU meanwhile could "
        "crash the guest: so none is added.",
        do=f"{REBOOT} After its start the server has the desired size.",
        see="admin/conditions.md#removalunsettled",
    ),
    "xloud.blocked.vcpu_removal": Remedy(
        about="vCPUs, removal only",
        means="Guests of this kind never give vCPUs back while they run: Windows and BSD (by the "
        "image's `os_type`, `os_distro`), s390x. Growth is not blocked.",
        do=WHILE_STOPPED,
    ),
    "xloud.blocked.vcpu_hotplug": Remedy(
        about=_VCPUS,
        means="QEMU plugs no vCPUs into guests of this architecture or machine type (aarch64, "
        "microvm), which the image or the host decides.",
        do="Resize the server to a flavor with another number of vCPUs (`openstack server "
        "resize`), or use an image or a host of another kind.",
    ),
    "xloud.blocked.resource_override": Remedy(
        about="either",
        means="The extra spec `resources:VCPU`, `resources:PCPU` or `resources:MEMORY_MB` of the "
        "flavor fixes what Placement has to reserve.",
        do=_other_flavor("that extra spec"),
    ),
    "xloud.blocked.huge_pages": Remedy(
        about=_MEMORY,
        means="The flavor or the image asks for memory pages that are not small "
        "(`hw:mem_page_size`), and so the guest's memory is pinned: a balloon would free nothing.",
        do=_other_flavor_or_image("`hw:mem_page_size`"),
    ),
    "xloud.blocked.locked_memory": Remedy(
        about=_MEMORY,
        means="The guest's memory is pinned, because of `hw:locked_memory`.",
        do=_other_flavor_or_image("`hw:locked_memory`"),
    ),
    "xloud.blocked.vpmem": Remedy(
        about=_MEMORY,
        means="The guest's memory is pinned, because of `hw:pmem`.",
        do=_other_flavor("`hw:pmem`"),
    ),
    "xloud.blocked.realtime": Remedy(
        about=_MEMORY,
        means="Nova locks the guest's memory, because of `hw:cpu_realtime`.",
        do=_other_flavor("`hw:cpu_realtime`"),
    ),
    "xloud.blocked.memory_encryption": Remedy(
        about="memory; vCPUs too, except with plain SEV",
        means="The guest's memory is pinned, because of `hw:mem_encryption`, or because a trait of "
        "SEV-ES, SEV-SNP or TDX is required. With these three (`hw:mem_encryption_model`, or the "
        "trait) the state of the vCPUs is encrypted too, and none can be added.",
        do=_other_flavor_or_image("`hw:mem_encryption` and such a trait"),
    ),
    "xloud.blocked.vfio": Remedy(
        about=_MEMORY,
        means="A device of the host is passed through to the guest, by the server's flavor or by a "
        "port, so the guest's memory is pinned.",
        do="Adjust the server's memory to the maximum; or resize the server to a flavor without "
        "the device (`openstack server resize`), or detach the port (`openstack server remove "
        f"port`). {_SHOW}",
    ),
    "xloud.blocked.hypervisor": Remedy(
        about="both",
        means="The `virt_type` of the server's compute host is not kvm or qemu.",
        do=f"An administrator can move the server to a host with one of the two. {_SHOW}",
    ),
    "xloud.blocked.no_balloon": Remedy(
        about=_MEMORY,
        means="The option `[libvirt] mem_stats_period_seconds` is 0 or less on the server's "
        "compute host, and guests there get no balloon.",
        do="An administrator can set `[libvirt] mem_stats_period_seconds` on that host and restart "
        f"nova-compute. Stop and start the server afterwards. {_SHOW}",
    ),
    "xloud.blocked.file_backed_memory": Remedy(
        about=_MEMORY,
        means="The option `[libvirt] file_backed_memory` is set on the server's compute host, and "
        "so the guest's memory is pinned: a balloon would free nothing.",
        do=f"An administrator can move the server to a host without it. {_SHOW}",
    ),
}
