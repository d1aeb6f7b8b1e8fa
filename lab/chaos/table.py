"""The table at the end of a chaos run: for each fault its trials, recovery times and violations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEAD = ("fault", "tried", "median s", "worst s", "violations", "judged")


@dataclass(frozen=True)
class Trial:
    """One round of one fault, or of several at once.

    :ivar fault: the fault's name; of several, their names joined by " + "
    :ivar seconds: from the fault's end until the cloud had recovered; None if it did not recover
    :ivar violations: what was not as it has to be
    :ivar judged: for each check of the invariants, whether all could be read and was judged
    :ivar took_place: False if a fault could not be caused, or no process came to its fault point
    """

    fault: str
    seconds: float | None
    violations: tuple[str, ...] = ()
    took_place: bool = True
    judged: tuple[bool, ...] = ()


def text(trials: Iterable[Trial]) -> str:
    """Return the table as text, with a row per fault and one for all pairs."""
    by_fault: dict[str, list[Trial]] = {}
    for trial in trials:
        name = "two at once" if "+" in trial.fault else trial.fault
        by_fault.setdefault(name, []).append(trial)
    rows = [HEAD, *(_row(name, by_fault[name]) for name in sorted(by_fault))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def _row(name: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    tried = [trial for trial in trials if trial.took_place]
    seconds = [trial.seconds for trial in tried if trial.seconds is not None]
    judged = [whole for trial in trials for whole in trial.judged]
    missed = len(trials) - len(tried)
    return (
        name,
        f"{len(tried)}" + (f" ({missed} not reached)" if missed else ""),
        f"{median(seconds):.1f}" if seconds else "-",
        f"{max(seconds):.1f}" if seconds else "-",
        str(sum(len(trial.violations) for trial in trials)),
        f"{sum(judged)} of {len(judged)}",
    )
