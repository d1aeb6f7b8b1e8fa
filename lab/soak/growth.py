"""What is judged of automatic growth: its journal on each host, and that it has done something.

A run of before there was a server that scales by itself has nothing of this in its samples.
"""

import re
from collections.abc import Iterator, Sequence

from lab.soak import bounds
from lab.soak.finding import Finding
from lab.soak.sample import Sample

BYTES_PER_MIB = 1024 * 1024
BYTES = re.compile(r"(journal of .+): bytes")
CHANGES = "changes by automatic growth"


def journals(host: Sample) -> list[str]:
    """Return the journals of which a sample has the bytes, as ``journal of compute1``."""
    return sorted(found[1] for what in host.host if (found := BYTES.fullmatch(what)))


def of_growth(samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Iterator[Finding]:
    """Yield what was found of automatic growth.

    :param rests: the samples without load, as in :class:`~lab.soak.finding.Finding`
    """
    names = journals(samples[0])
    for name in names:
        yield _bytes(name, samples, rests)
        yield Finding(
            f"{name}: files", _values(rests, f"{name}: files"), "-", note="for comparison"
        )
        yield _compressed(name, samples, rests)
    if names:
        yield _tried(names, rests)
        left = _sums(rests, [f"{name}: files of before" for name in names])
        yield Finding("journals: files of before the run", left, "-", note="for comparison")
    if CHANGES in samples[0].host:
        values = _values(rests, CHANGES)
        problem = "" if values[-1] > values[0] else "Automatic growth has changed no server."
        yield Finding(f"load: {CHANGES}", values, "some", problem)


def _bytes(name: str, samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Finding:
    what = f"{name}: bytes"
    most = bounds.JOURNAL_MB * BYTES_PER_MIB
    seen = max(one.host[what] for one in samples)
    problem = ""
    if seen > most:
        problem = f"The {name} had {seen} bytes, and autoscale_journal_mb allows {most}."
    return Finding(what, _values(rests, what), f"{most} always (seen {seen})", problem)


def _compressed(name: str, samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Finding:
    """Return whether every file that was put away was compressed, as the option promises."""
    what = f"{name}: files not compressed"
    seen = max(one.host[what] for one in samples)
    problem = f"{seen} files of the {name} were put away and not compressed." if seen else ""
    return Finding(what, _values(rests, what), "none ever", problem)


def _tried(names: Sequence[str], rests: tuple[Sample, ...]) -> Finding:
    values = _sums(rests, [f"{name}: files of this run" for name in names])
    what = "journals: files put away by this run"
    if values[-1]:
        return Finding(what, values, "some")
    if rests[-1].minute < bounds.JOURNAL_MINUTES:
        return Finding(what, values, "-", note=f"too short: {bounds.JOURNAL_MINUTES} minutes")
    return Finding(what, values, "some", "No file of a journal was full, so nothing was tried.")


def _values(rests: tuple[Sample, ...], what: str) -> tuple[float, ...]:
    return tuple(one.host[what] for one in rests)


def _sums(rests: tuple[Sample, ...], names: Sequence[str]) -> tuple[float, ...]:
    return tuple(sum(one.host[name] for name in names) for one in rests)
