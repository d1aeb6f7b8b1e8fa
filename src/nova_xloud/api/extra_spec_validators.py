# SPDX-License-Identifier: Apache-2.0
"""Register our extra specs for Nova's validation (entry point nova.api.extra_spec_validators)."""

from __future__ import annotations

from nova.api.validation.extra_specs import base

from nova_xloud.core.sizing.minimums import MEMORY_SPECS, VCPU_SPECS

_VCPUS = "The vCPUs that an instance boots with; at most the flavor's vCPUs."
_MEMORY = "The memory, in MiB, that an instance boots with; at most the flavor's RAM."


def register() -> list[base.ExtraSpecValidator]:
    """Return a validator for each spelling of the two minimums; each accepts integers from 1 up."""
    return [
        base.ExtraSpecValidator(
            name=name,
            description=f"{text} While the instance runs it can grow from that and shrink again.",
            value={"type": int, "description": text, "min": 1},
        )
        for names, text in ((VCPU_SPECS, _VCPUS), (MEMORY_SPECS, _MEMORY))
        for name in names
    ]
