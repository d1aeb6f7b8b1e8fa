# SPDX-License-Identifier: Apache-2.0
"""How what is nested is shown: words in a table, itself in JSON and YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cliff.columns import FormattableColumn


class SizeColumn(FormattableColumn):  # type: ignore[type-arg]
    """``{"vcpus": 3, "memory_mb": 768}``; either may be absent; None: there is none."""

    def human_readable(self) -> str:
        return _size(self._value or {})


class NumbersColumn(FormattableColumn):  # type: ignore[type-arg]
    """The four numbers of one resource."""

    def human_readable(self) -> str:
        return ", ".join(
            f"{name} {'unknown' if number is None else number}"
            for name, number in self._value.items()
        )


class ConditionsColumn(FormattableColumn):  # type: ignore[type-arg]
    """One a line."""

    def human_readable(self) -> str:
        return "\n".join(_condition(told) for told in self._value)


class BlockersColumn(FormattableColumn):  # type: ignore[type-arg]
    """One a line."""

    def human_readable(self) -> str:
        return "\n".join(f"{b['resource']}: {b['code']}: {b['message']}" for b in self._value)


class RefusalColumn(FormattableColumn):  # type: ignore[type-arg]
    """``{"code", "message"}`` or None."""

    def human_readable(self) -> str:
        return f"{self._value['code']}: {self._value['message']}" if self._value else ""


class StepsColumn(FormattableColumn):  # type: ignore[type-arg]
    """Numbered, one a line."""

    def human_readable(self) -> str:
        return "\n".join(f"{number}. {step(told)}" for number, told in enumerate(self._value, 1))


class ListColumn(FormattableColumn):  # type: ignore[type-arg]
    """One a line."""

    def human_readable(self) -> str:
        return "\n".join(self._value)


def step(told: Mapping[str, Any]) -> str:
    """A step of a plan in words; one that this version does not know, with all it has."""
    match told:
        case {"step": "claim"}:
            return f"claim {_size(told)}"
        case {"step": "release"}:
            return f"release all but {_size(told)}"
        case {"step": "set_definition"}:
            return f"what it starts with next to {_size(told)}"
        case {"step": "set_memory", "mib": mib}:
            return f"balloon to {mib} MiB"
        case {"step": "set_vcpus", "count": count}:
            return f"vCPUs to {count}"
        case {"step": "set_online", "count": count}:
            return f"CPUs online in the guest, through its agent, to {count}"
        case {"step": "begin_removal", "count": count}:
            return f"write down that vCPUs go, down to {count}"
        case {"step": "await", "what": what}:
            return f"wait until {what}"
        case {"step": "stuck" | "deferred" as name, "why": why}:
            return f"{name}: {why}"
    rest = ", ".join(f"{name} {value}" for name, value in told.items() if name != "step")
    return f"{told['step']} {rest}".rstrip()


def _size(told: Mapping[str, Any]) -> str:
    units = {"vcpus": "vCPUs", "memory_mb": "MiB"}
    return ", ".join(f"{told[name]} {unit}" for name, unit in units.items() if name in told)


def _condition(told: Mapping[str, Any]) -> str:
    text = f"{told['type']} {told['status']}: {told['reason']}"
    if told["since"]:
        text += f" since {told['since']}"
    return f"{text}: {told['message']}" if told["message"] else text
