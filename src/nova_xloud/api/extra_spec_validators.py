# SPDX-License-Identifier: Apache-2.0
"""The validators of nova-xloud's extra specs (entry point ``nova.api.extra_spec_validators``)."""

from __future__ import annotations

from nova.api.validation.extra_specs import base

from nova_xloud.core.autoscaling import mode
from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT, Mode, Profile
from nova_xloud.core.sizing.minimums import MEMORY_SPECS, VCPU_SPECS

_VCPUS = "The vCPUs that an instance boots with; at most the flavor's vCPUs."
_MEMORY = "The memory, in MiB, that an instance boots with; at most the flavor's RAM."


def register() -> list[base.ExtraSpecValidator]:
    """Return the validators of the extra specs of minimums and of automatic growth.

    Each of the two names of a minimum has a validator, which accepts integers from 1 up. Nova finds
    this function by the entry point.
    """
    return [*_minimums(), *_autoscaling()]


def _minimums() -> list[base.ExtraSpecValidator]:
    return [
        base.ExtraSpecValidator(
            name=name,
            description=f"{text} While the instance runs, it can grow to more and shrink again.",
            value={"type": int, "description": text, "min": 1},
        )
        for names, text in ((VCPU_SPECS, _VCPUS), (MEMORY_SPECS, _MEMORY))
        for name in names
    ]


def _autoscaling() -> list[base.ExtraSpecValidator]:
    return [
        base.ExtraSpecValidator(
            name=mode.MODE_SPEC,
            description="Whether instances grow and shrink by themselves, between the flavor's "
            "minimums and its size. A request for an instance goes before this.",
            value={
                "type": str,
                "description": "off, observe (decide and change nothing), or on.",
                "enum": [one.value for one in Mode],
            },
        ),
        base.ExtraSpecValidator(
            name=mode.PROFILE_SPEC,
            description="How long an instance keeps what its guest has needed, before it shrinks.",
            value={
                "type": str,
                "description": "dense (an hour), balanced (six hours), or careful (a day).",
                "enum": [one.value for one in Profile],
            },
        ),
        base.ExtraSpecValidator(
            name=mode.WEIGHT_SPEC,
            description="How much an instance counts beside others when its host is full.",
            value={
                "type": int,
                "description": f"1 to {mode.MOST_WEIGHT}; {DEFAULT_WEIGHT} without this.",
                "min": 1,
                "max": mode.MOST_WEIGHT,
            },
        ),
    ]
