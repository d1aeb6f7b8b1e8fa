# SPDX-License-Identifier: Apache-2.0
"""What an answer of the API says, in words, for commands and pages alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_xloud.core.size import of_vcpus


def step(told: Mapping[str, Any]) -> str:
    """Return a step of a plan in words.

    A step that this version does not know becomes its name and all its values.

    :param told: the step as the API answers it, such as ``{"step": "set_vcpus", "count": 3}``
    """
    match told:
        case {"step": "claim"}:
            return f"claim {sizes(told)}"
        case {"step": "release"}:
            return f"release what is claimed beyond {sizes(told)}"
        case {"step": "set_definition"}:
            return f"set the size of the next start to {sizes(told)}"
        case {"step": "set_memory", "mib": mib}:
            return f"set the guest's memory to {mib} MiB"
        case {"step": "set_vcpus", "count": count}:
            return f"set the guest's vCPUs to {count}"
        case {"step": "set_online", "count": count}:
            return f"bring {count} CPUs online in the guest, through the guest's agent"
        case {"step": "begin_removal", "count": count}:
            return f"record that vCPUs are being removed, down to {count}"
        case {"step": "await", "what": what}:
            return f"wait until {what}"
        case {"step": "stuck" | "deferred" as name, "why": why}:
            return f"{name}: {why}"
    rest = ", ".join(f"{name} {value}" for name, value in told.items() if name != "step")
    return f"{told['step']} {rest}".rstrip()


def sizes(told: Mapping[str, Any]) -> str:
    """Return the sizes of an answer in words: ``3 vCPUs, 768 MiB``, or one of the two."""
    vcpus = of_vcpus(told["vcpus"]) if "vcpus" in told else ""
    memory = f"{told['memory_mb']} MiB" if "memory_mb" in told else ""
    return ", ".join(filter(None, (vcpus, memory)))
