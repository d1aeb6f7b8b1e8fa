"""The table at the end of a soak run, and the answers that its load had."""

from collections.abc import Mapping, Sequence

from lab.soak.finding import Finding

HEAD = ("what", "start", "warm", "end", "gone", "bound", "verdict")


def text(findings: Sequence[Finding]) -> str:
    """Return the table as text, with a row for each finding."""
    rows: list[tuple[str, ...]] = [HEAD]
    for one in findings:
        verdict = "NOT AS IT HAS TO BE" if one.problem else one.note or "ok"
        rows.append((one.what, *(f"{value:g}" for value in one.values), one.bound, verdict))
    return _aligned(rows)


def answers(counted: Mapping[tuple[str, int], int]) -> str:
    """Return how often each kind of step had each answer, as text."""
    by_kind: dict[str, list[str]] = {}
    for (kind, status), count in sorted(counted.items()):
        by_kind.setdefault(kind, []).append(f"{count} x {status}")
    return _aligned([("step", "answers"), *((kind, ", ".join(s)) for kind, s in by_kind.items())])


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
