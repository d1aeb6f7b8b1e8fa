# SPDX-License-Identifier: Apache-2.0
"""The minimums a flavor names: reading two extra specs in two spellings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nova_xloud.core.size import Size

VCPU_SPECS = ("minimum_cpu", "xloud:minimum_cpu")
MEMORY_SPECS = ("minimum_memory", "xloud:minimum_memory")
ALL_SPECS = VCPU_SPECS + MEMORY_SPECS


@dataclass(frozen=True, slots=True)
class Minimums:
    """What a flavor's extra specs ask for.

    :ivar vcpus: the minimum, or None: none named, or not usable
    :ivar memory_mb: likewise, MiB
    :ivar problems: why a named one is not usable, one sentence each
    """

    vcpus: int | None
    memory_mb: int | None
    problems: tuple[str, ...] = ()


NONE_NAMED = Minimums(None, None)


def read_minimums(extra_specs: Mapping[str, str], maximum: Size) -> Minimums:
    """The minimums in ``extra_specs``, checked against the flavor's own numbers.

    Never raises: a stored flavor may hold anything.

    :param extra_specs: all extra specs of the flavor
    :param maximum: the flavor's vCPUs and memory
    """
    if not any(name in extra_specs for name in ALL_SPECS):
        return NONE_NAMED
    vcpus, vcpu_problem = _read(extra_specs, VCPU_SPECS, maximum.vcpus, "vCPUs")
    memory_mb, memory_problem = _read(extra_specs, MEMORY_SPECS, maximum.memory_mb, "MiB")
    problems = tuple(p for p in (vcpu_problem, memory_problem) if p is not None)
    return Minimums(vcpus, memory_mb, problems)


def _read(
    extra_specs: Mapping[str, str], names: tuple[str, str], maximum: int, unit: str
) -> tuple[int | None, str | None]:
    given = {name: str(extra_specs[name]) for name in names if name in extra_specs}
    if not given:
        return None, None
    values = set()
    for name, text in given.items():
        if not (text.isascii() and text.isdigit() and int(text) >= 1):
            return None, f"extra spec {name} is {text!r}; it must be an integer of at least 1"
        values.add(int(text))
    spelled = " and ".join(f"{name}={text}" for name, text in given.items())
    if len(values) > 1:
        return None, f"extra specs {spelled} differ; set one of them, or both to the same value"
    (value,) = values
    if value > maximum:
        return None, (
            f"extra spec {spelled} is larger than the flavor's {maximum} {unit}; "
            f"set it to at most {maximum}"
        )
    return value, None
