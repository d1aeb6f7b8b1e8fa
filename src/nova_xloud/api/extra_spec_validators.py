# SPDX-License-Identifier: Apache-2.0
"""Our extra specs, for Nova's own validation (entry point ``nova.api.extra_spec_validators``)."""

from __future__ import annotations

from nova.api.validation.extra_specs import base

from nova_xloud.core.sizing.minimums import MEMORY_SPECS, VCPU_SPECS

_VCPUS = "The vCPUs that an instance boots with; at most the flavor's vCPUs."
_MEMORY = "The memory, in MiB, that an instance boots with; at most the flavor's RAM."


def register() -> list[base.ExtraSpecValidator]:
    """One validator a name: an integer of at least 1."""
    return [
        base.ExtraSpecValidator(
            name=name,
            description=f"{text} Beyond that it grows and shrinks while it runs.",
            value={"type": int, "description": text, "min": 1},
        )
        for names, text in ((VCPU_SPECS, _VCPUS), (MEMORY_SPECS, _MEMORY))
        for name in names
    ]
