# SPDX-License-Identifier: Apache-2.0
"""Turns the result of a back-test into text: JSON, or tables for a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from nova_xloud.backtest.run import HostUse, Options, Result, SourceResult
from nova_xloud.backtest.summary import FIGURES, Figure, Spread, Summary

LINES = ("mean", "p50", "p90", "worst")
LEGEND = """\
mean: of all machines; p50, p90: half, and nine of ten, of the machines do at least so well; worst:
the machine that does worst. Of times from need to fit, mean is over all needs of all machines.
A dash: the trace cannot tell."""


def as_json(result: Result, options: Options) -> str:
    """Return the result as the text of a JSON document. A figure that is not known is null.

    Its keys are ``settings`` (from ``options``), ``policies`` (over all traces) and ``sources``
    (the traces, each with its own ``policies``).
    """
    document = {
        "settings": {
            "seed": options.seed,
            "resolution": options.resolution.value,
            "machines": options.machines,
            "days": options.days,
            "tick_seconds": options.pace.tick,
            "idle_seconds": options.pace.idle,
            "host_vcpus": options.host.vcpus,
            "host_memory_mb": options.host.memory_mb,
            "host_share": options.host_share,
            "together": None if options.together is None else options.together.value,
            "weights": list(options.weights),
        },
        "policies": [_policy(summary) for summary in result.together],
        "sources": [
            {
                "source": source.source,
                "machines": source.machines,
                "censored_share": round(source.censored, 6),
                "left_out_rows": source.left_out,
                "has_cpu": source.has_cpu,
                "has_memory": source.has_memory,
                "hosts": [
                    {
                        "policy": use.policy,
                        "vcpus": use.host.vcpus,
                        "memory_mb": use.host.memory_mb,
                        "most_vcpus": use.most_vcpus,
                        "most_memory_mb": use.most_mb,
                    }
                    for use in source.hosts
                ],
                "policies": [_policy(summary) for summary in source.summaries],
            }
            for source in result.sources
        ],
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _policy(summary: Summary) -> dict[str, Any]:
    spreads = {
        name: {line: _number(getattr(spread, line)) for line in LINES}
        for name, spread in summary.figures.items()
    }
    return {
        "policy": summary.policy,
        "machines": summary.machines,
        "vm_days": round(summary.days, 4),
        **spreads,
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def as_table(result: Result, options: Options) -> str:
    """Return the result as tables for a terminal: one of each trace, and one of all together.

    The last one is left out if there is only one trace.
    """
    parts = [_headed(source, options) for source in result.sources]
    if len(result.sources) > 1:
        days = result.together[0].days if result.together else 0.0
        count = result.together[0].machines if result.together else 0
        head = f"all traces together: {count} machines, {days:.1f} VM-days"
        parts.append(f"{head}\n\n{_table(result.together)}")
    return "\n\n".join((*parts, LEGEND))


def _headed(source: SourceResult, options: Options) -> str:
    days = source.summaries[0].days if source.summaries else 0.0
    notes = [f"{source.source}: {source.machines} machines, {days:.1f} VM-days"]
    notes.append(f"resolution {options.resolution.value}, seed {options.seed}")
    if source.has_cpu:
        notes.append(f"CPU at what was given in {100 * source.censored:.1f} % of the samples")
    if source.left_out:
        notes.append(f"memory of {source.left_out} samples not used: more than was given")
    lines = ["; ".join(notes), *(_host_use(use) for use in source.hosts), ""]
    return "\n".join((*lines, _table(source.summaries)))


def _host_use(use: HostUse) -> str:
    return (
        f"{use.policy} on one host of {use.host.vcpus:,.0f} vCPUs and {use.host.memory_mb:,.0f} "
        f"MiB: at most {use.most_vcpus:,} vCPUs and {use.most_mb:,} MiB were in use or on their way"
    )


def _table(summaries: Sequence[Summary]) -> str:
    rows = [("policy", "VM", *(figure.title for figure in FIGURES))]
    for summary in summaries:
        for line in LINES:
            cells = (_cell(figure, summary.figures[figure.name], line) for figure in FIGURES)
            rows.append((summary.policy if line == LINES[0] else "", line, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cell(figure: Figure, spread: Spread, line: str) -> str:
    value: float = getattr(spread, line)
    if math.isnan(value):
        return "-"
    if figure.name.endswith("_share"):
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
