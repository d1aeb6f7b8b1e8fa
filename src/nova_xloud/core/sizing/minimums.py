# SPDX-License-Identifier: Apache-2.0
"""The minimums that a flavor names in its extra specs, and the least memory that it may name.

There are two minimums, of vCPUs and of memory, and each has two names as an extra spec: with and
without the prefix ``xloud:``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.digits import number

VCPU_SPECS = ("minimum_cpu", "xloud:minimum_cpu")
MEMORY_SPECS = ("minimum_memory", "xloud:minimum_memory")
ALL_SPECS = VCPU_SPECS + MEMORY_SPECS
# By this one XLoud's console asks for virtio-mem devices, beside the minimums. Nova has no such
# extra spec.
VIRTIO_MEM_SPEC = "hw:mem_hotplug_virtio"
# The values of an extra spec that Nova would take for true.
_TRUE = ("1", "t", "true", "on", "y", "yes")


@dataclass(frozen=True, slots=True)
class Minimums:
    """The usable minimums that a flavor's extra specs name.

    :ivar vcpus: the minimum of vCPUs; None if none is named, or the value is not usable
    :ivar memory_mb: the minimum of memory, MiB, raised to the floor if it was below; None if none
        is named, or the value is not usable
    :ivar problems: for each resource whose minimum is not usable, or was raised to the floor, a
        sentence that says why
    """

    vcpus: int | None
    memory_mb: int | None
    problems: tuple[str, ...] = ()


NONE_NAMED = Minimums(None, None)


# MiB that a kernel with its initramfs needs beside the share of MemoryFloor.percent.
KERNEL_MB = 160


@dataclass(frozen=True, slots=True)
class MemoryFloor:
    """The least memory that a flavor may name as its minimum.

    A guest's kernel needs 64 bytes to describe each page of 4 KiB that the guest may ever have,
    whatever the balloon takes. That is 1/64 of the flavor's memory. The kernel's tables and
    watermarks are sized by the flavor's memory too. The smallest memory that guests of Debian 12
    ran with (measured), in MiB of the flavor's MiB: with the kernel and busybox alone 88 of 512,
    160 of 1024, 184 of 2048, 320 of 4096; with systemd and sshd 160 of 512, 224 to 256 of 1024. The
    larger of 256 MiB and the sum of 160 MiB and 4 % covers them.

    :ivar memory_mb: the memory that kernel, initramfs and system need in any guest, MiB
    :ivar percent: this share of the flavor's memory, in percent, is added to ``KERNEL_MB``, 160
        MiB. The floor is the larger of that sum and ``memory_mb``; with 0 it is ``memory_mb`` alone
    """

    memory_mb: int = 256
    percent: int = 4

    def of(self, maximum_mb: int) -> int:
        """Return the floor of a flavor with ``maximum_mb`` MiB, in MiB, at most ``maximum_mb``."""
        share = -(-maximum_mb * self.percent // 100)
        return min(max(self.memory_mb, share and KERNEL_MB + share), maximum_mb)


def read_minimums(
    extra_specs: Mapping[str, str], maximum: Size, memory_floor_mb: int = 0
) -> Minimums:
    """Return the minimums in ``extra_specs``, checked against the flavor's own numbers.

    A minimum is not used if it is no integer of at least 1, is above the maximum, or has two
    different values under its two names; ``problems`` of the result has the reason. No error is
    raised, because a stored flavor may have any value.

    :param extra_specs: all extra specs of the flavor
    :param maximum: the flavor's vCPUs and memory
    :param memory_floor_mb: a smaller minimum of memory is raised to this, or to the flavor's memory
        if that is less, MiB
    """
    if not any(name in extra_specs for name in ALL_SPECS):
        return NONE_NAMED
    vcpus, vcpu_problem = _read(extra_specs, VCPU_SPECS, maximum.vcpus, "vCPUs")
    memory_mb, memory_problem = _read(extra_specs, MEMORY_SPECS, maximum.memory_mb, "MiB")
    floor = min(memory_floor_mb, maximum.memory_mb)
    if memory_mb is not None and memory_mb < floor:
        spelled = _spelled(_given(extra_specs, MEMORY_SPECS))
        memory_problem = (
            f"extra spec {spelled} is less than the {floor} MiB that a guest of up to "
            f"{maximum.memory_mb} MiB needs to live; set it to at least {floor}"
        )
        memory_mb = floor
    problems = tuple(p for p in (vcpu_problem, memory_problem) if p is not None)
    return Minimums(vcpus, memory_mb, problems)


def virtio_mem_problem(extra_specs: Mapping[str, str]) -> str | None:
    """Return why virtio-mem devices cannot be had with a minimum; None unless both are named.

    nova-xloud adjusts memory by the guest's balloon. If the extra spec were ignored, a guest would
    have no such device, and nobody would say so.

    :param extra_specs: all extra specs of the flavor
    """
    text = str(extra_specs.get(VIRTIO_MEM_SPEC, ""))
    if text.strip().lower() not in _TRUE or not any(name in extra_specs for name in ALL_SPECS):
        return None
    return (
        f"extra spec {VIRTIO_MEM_SPEC}={text} asks for virtio-mem devices, which neither Nova nor "
        "nova-xloud gives to a guest: memory is adjusted by the guest's balloon, on any machine "
        f"type. Leave {VIRTIO_MEM_SPEC} out, and hw:machine_type, which Nova does not read either"
    )


def _read(
    extra_specs: Mapping[str, str], names: tuple[str, str], maximum: int, unit: str
) -> tuple[int | None, str | None]:
    given = _given(extra_specs, names)
    if not given:
        return None, None
    values = set()
    for name, text in given.items():
        value = number(text)
        if not value:
            return None, f"extra spec {name} is {text!r}; it must be an integer of at least 1"
        values.add(value)
    spelled = _spelled(given)
    if len(values) > 1:
        return None, f"extra specs {spelled} differ; set one of them, or both to the same value"
    (value,) = values
    if value > maximum:
        return None, (
            f"extra spec {spelled} is larger than the flavor's {maximum} {unit}; "
            f"set it to at most {maximum}"
        )
    return value, None


def _given(extra_specs: Mapping[str, str], names: tuple[str, str]) -> dict[str, str]:
    return {name: str(extra_specs[name]) for name in names if name in extra_specs}


def _spelled(given: Mapping[str, str]) -> str:
    return " and ".join(f"{name}={text}" for name, text in given.items())
