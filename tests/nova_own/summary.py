# SPDX-License-Identifier: Apache-2.0
"""Results in words: what is printed, and what the docs show. Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.nova_own.grown import report
from tests.nova_own.result import Result
from tests.nova_own.verdicts import FAILED, PASSED, SKIPPED, Difference

_HEAD = ("suite", "run", "tests", PASSED, FAILED, SKIPPED)


def summary(
    release: str, subset: str, results: Sequence[Result], reasons: Mapping[str, str]
) -> str:
    """All that was found about a subset.

    :param results: one of each suite
    :param reasons: of the listed exceptions
    """
    lines = [f"Nova {release}, subset {subset}: its own tests, stock and with nova-xloud", ""]
    lines += _table([_HEAD, *(row for result in results for row in _rows(result))])
    lines += ["", *(line for result in results for line in _about(result))]
    lines += _section(
        "Differences, in each of three runs by themselves", _verdicts(_all(results, "differences"))
    )
    lines += _section(
        "Cannot be imported, with nova-xloud or without: not judged", _all(results, "uncollected")
    )
    lines += _section("Listed as exceptions, but they differ no longer", _all(results, "stale"))
    lines += _section(
        "Exceptions", (f"{name}: {reasons.get(name, '')}" for name in _all(results, "excepted"))
    )
    lines += _section(
        "Flaky: differed among all others, not by themselves", _verdicts(_all(results, "flaky"))
    )
    grown = _all(results, "grown")
    if grown:
        lines += ["", "With grown instances:", "", *_table([report.HEAD, *report.rows(grown)])]
        lines += _section("Each test", map(report.line, grown))
        lines += _section(
            "Why servers were not grown; one may have a reason for each resource",
            report.reasons(grown),
        )
    return "\n".join(lines) + "\n"


def _rows(result: Result) -> Iterable[tuple[str, ...]]:
    for run, counts in (("stock", result.stock), ("with nova-xloud", result.ours)):
        numbers = (sum(counts.values()), *(counts.get(one, 0) for one in _HEAD[3:]))
        yield result.suite, run, *map(str, numbers)


def _about(result: Result) -> Iterable[str]:
    counts = (
        f"{len(found)} {what}"
        for found, what in (
            (result.differences, "differences"),
            (result.excepted, "listed exceptions"),
            (result.stale, "stale exceptions"),
            (result.flaky, "flaky"),
            (result.uncollected, "modules not judged"),
        )
    )
    yield f"{result.suite}: {', '.join(counts)}. {result.seconds / 60:.1f} min."
    if missing := _missing(result.parts):
        yield f"{result.suite}: not yet run: part {', '.join(missing)}."
    if result.stock_for != "all":
        yield (
            f"{result.suite}: stock Nova ran only what did not pass with nova-xloud"
            f" ({result.stock_for}): a test that fails in stock Nova alone is not seen."
        )


def _missing(parts: Sequence[str]) -> list[str]:
    of = int(parts[0].partition("/")[2])
    return [name for n in range(of) if (name := f"{n + 1}/{of}") not in parts]


def _all(results: Iterable[Result], name: str) -> list:
    return [one for result in results for one in getattr(result, name)]


def _verdicts(found: Iterable[Difference]) -> Iterable[str]:
    for one in found:
        yield f"{one.name}: stock {one.stock}, with nova-xloud {one.ours}. {one.message}".strip()


def _section(title: str, lines: Iterable[str]) -> list[str]:
    items = [f"- {' '.join(line.split())}" for line in lines]
    return ["", f"{title}:", "", *items] if items else []


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
