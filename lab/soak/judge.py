"""Compares the samples of a soak run with the bounds: a pure function of the samples."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from statistics import median

from lab.soak import bounds
from lab.soak.finding import Finding
from lab.soak.growth import of_growth
from lab.soak.sample import Sample, Stage, Use


class Incomplete(ValueError):
    """The samples are not those of a whole run."""


def judge(samples: Sequence[Sample]) -> list[Finding]:
    """Return what was found, a row for each thing that has a bound.

    :raises Incomplete: a stage was not reached, so there is nothing to compare with
    """
    rests = _rests(samples)
    return [
        *_of_services(samples, rests),
        *_of_rows(rests),
        *_of_records(samples, rests),
        *_of_hosts(rests),
        *of_growth(samples, rests),
        _of_logs(samples, rests),
        _of_load(rests),
    ]


def problems(findings: Sequence[Finding]) -> list[str]:
    """Return what is wrong, as sentences."""
    return [finding.problem for finding in findings if finding.problem]


def _rests(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return the samples without load: at the start, after the warm-up, at the end, and gone."""
    found = {one.stage: one for one in samples}
    wanted = (Stage.START, Stage.WARM, Stage.END, Stage.GONE)
    if missing := [stage.value for stage in wanted if stage not in found]:
        raise Incomplete(f"there is no sample of the stage {', '.join(missing)}")
    return tuple(found[stage] for stage in wanted)


def _of_services(samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Iterator[Finding]:
    names = sorted({name for one in rests for name in one.uses})
    for name in sorted(names, key=lambda name: not _is_judged(name)):
        yield _memory(name, samples, rests)
        yield _count(name, "threads", lambda use: use.threads, rests, bounds.MORE_THREADS)
        yield _count(
            name, "descriptors", lambda use: use.descriptors, rests, bounds.MORE_DESCRIPTORS
        )


def _is_judged(service: str) -> bool:
    return service.startswith(bounds.JUDGED)


def _values(rests: tuple[Sample, ...], name: str, of: Callable[[Use], float]) -> tuple[float, ...]:
    nothing = Use(0, 0, 0, 0)
    return tuple(of(one.uses.get(name, nothing)) for one in rests)


def _count(
    name: str, what: str, of: Callable[[Use], float], rests: tuple[Sample, ...], more: int
) -> Finding:
    values = _values(rests, name, of)
    _, warm, *later = values
    if not _is_judged(name):
        return Finding(f"{name}: {what}", values, "-", note="for comparison")
    problem = ""
    if min(values) == 0:
        problem = f"{name} did not run all of the time."
    elif max(later) > warm + more:
        problem = (
            f"{name} has {max(later):g} {what} when idle, and had {warm:g} after the warm-up: more "
            f"than {more} more."
        )
    return Finding(f"{name}: {what}", values, f"{more} more than warm", problem)


def _memory(name: str, samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Finding:
    values = _values(rests, name, lambda use: use.private_mb)
    uses = [(one.minute, one.uses[name]) for one in second_half(samples) if name in one.uses]
    what = f"{name}: private MiB"
    grown = _grown(uses)
    if not _is_judged(name):
        return Finding(what, values, "-", note=f"for comparison: {grown:+.1f}")
    if len(uses) < bounds.FEWEST_SAMPLES:
        note = f"too short: {len(uses)} samples, {bounds.FEWEST_SAMPLES} are needed"
        return Finding(what, values, "-", note=note)
    span = uses[-1][0] - uses[0][0]
    most = max(bounds.MEMORY_MB_AT_LEAST, bounds.MEMORY_MB_A_MINUTE * span)
    problem = ""
    if grown > most:
        problem = (
            f"The memory of {name} has grown by {grown:.1f} MiB in the last {span:.0f} minutes, "
            f"and {most:.1f} MiB are allowed."
        )
    return Finding(what, values, f"{most:.1f} in 2nd half: {grown:+.1f}", problem)


def _grown(uses: Sequence[tuple[float, Use]]) -> float:
    """Return by how many MiB a service has grown: its private or its resident memory, the lesser.

    What leaks makes both larger. Private memory alone grows when a worker writes to pages that it
    has shared with the process that forked it, as a full garbage collection does; resident memory
    alone grows when pages of a file are read.
    """
    if len(uses) < 2:
        return 0.0
    span = uses[-1][0] - uses[0][0]
    private = slope([(minute, use.private_mb) for minute, use in uses])
    resident = slope([(minute, use.rss_mb) for minute, use in uses])
    return min(private, resident) * span


def second_half(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples under load of the second half of the run."""
    loaded = [one for one in samples if one.stage is Stage.LOAD]
    return [one for one in loaded if one.minute >= loaded[-1].minute / 2]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of a line through points: the median of the slopes of all pairs.

    A few points far from the line do not change it (Theil and Sen).
    """
    return median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))


def _of_rows(rests: tuple[Sample, ...]) -> Iterator[Finding]:
    start = rests[0].rows
    for table in sorted({name for one in rests for name in one.rows}):
        each = bounds.ROWS.get(table, bounds.Each())
        values = tuple(one.rows.get(table, 0) for one in rests)
        problem = ""
        for one, value in zip(rests, values, strict=True):
            most = start.get(table, 0) + each.most(one.done, one.living)
            if value > most:
                problem = (
                    f"{table} has {value} rows {_WHEN[one.stage]}, and at most {most} are "
                    f"explained ({each})."
                )
        if problem or table in bounds.ROWS:
            yield Finding(f"rows: {table}", values, str(each), problem)


_WHEN = {
    Stage.START: "at the start",
    Stage.WARM: "after the warm-up",
    Stage.END: "at the end of the load",
    Stage.GONE: "after all servers were deleted",
}


def _of_records(samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Iterator[Finding]:
    keys, size = "xloud_* keys of one server, at most", "bytes of these keys, at most"
    for what, most in ((keys, bounds.RECORD_KEYS), (size, bounds.RECORD_KEYS * bounds.KEY_BYTES)):
        seen = max(one.host[what] for one in samples)
        problem = f"{what}: {seen} were seen, and {most} are allowed." if seen > most else ""
        values = tuple(one.host[what] for one in rests)
        yield Finding(f"record: {what}", values, f"{most} (seen {seen})", problem)
    open_events = "events of adjustments without an end"
    values = tuple(one.host[open_events] for one in rests)
    left = values[-1] - values[0]
    problem = f"{left} {open_events} are left." if left > 0 else ""
    yield Finding(f"record: {open_events}", values, "none more at the end", problem)


def _of_hosts(rests: tuple[Sample, ...]) -> Iterator[Finding]:
    start = rests[0]
    for what, living in bounds.HOST.items():
        once = bounds.HOST_ONCE.get(what, 0)
        values = tuple(one.host[what] for one in rests)
        problem = ""
        for one in rests[1:]:
            most = start.host[what] + once + living * one.living
            if one.host[what] > most:
                problem = (
                    f"{what}: there are {one.host[what]} {_WHEN[one.stage]}, and at most {most} "
                    "are explained."
                )
        said = f"{living} a server that exists" if living else "none more"
        yield Finding(f"hosts: {what}", values, said + (f" + {once}" if once else ""), problem)


def _of_logs(samples: Sequence[Sample], rests: tuple[Sample, ...]) -> Finding:
    loaded = [one for one in samples if one.stage is Stage.LOAD]
    values = tuple(round(one.logged / 1024) for one in rests)
    half = second_half(samples)
    first = loaded[: len(loaded) - len(half) + 1]
    if len(half) < bounds.FEWEST_SAMPLES:
        return Finding("logs: KiB", values, "-", note="too short")
    before, after = (_rate(part) for part in (first, half))
    said = f"{before:.0f} KiB a minute in the first half, {after:.0f} in the second"
    problem = ""
    if after > before * bounds.LOG_FACTOR:
        problem = f"The logs grow faster: {said}."
    return Finding("logs: KiB", values, f"rate x {bounds.LOG_FACTOR}: {said}", problem)


def _rate(part: Sequence[Sample]) -> float:
    return (part[-1].logged - part[0].logged) / 1024 / (part[-1].minute - part[0].minute)


def _of_load(rests: tuple[Sample, ...]) -> Finding:
    values = tuple(one.done.adjustments for one in rests)
    problem = "" if values[-1] else "No adjustment was admitted, so nothing was tried."
    return Finding("load: admitted adjustments", values, "some", problem)
