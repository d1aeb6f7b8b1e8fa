"""Samples of a soak run in which all is as it has to be, until a test changes something."""

from collections.abc import Callable
from dataclasses import replace

from lab.soak.bounds import HOST
from lab.soak.rows import ADJUSTMENT_EVENTS, ADJUSTMENTS
from lab.soak.sample import Sample, Stage, Use
from lab.soak.tally import Done

SERVERS = 4
JOURNALS = ("journal of compute1", "journal of compute2")
# The service that a test has leak.
SERVICE = "nova-compute-compute1"
# Up and down by as much as memory does from one minute to the next.
NOISE = (0.0, 1.5, 0.5, 2.0, 1.0)

Leak = Callable[[Sample], Sample]


def run(minutes: int = 24, warm: int = 6, leak: Leak = lambda one: one) -> list[Sample]:
    """Return the samples of a run of so many minutes, each changed by ``leak``."""
    loaded = [(minute, Stage.LOAD) for minute in range(1, minutes + 1)]
    stages = [
        (0, Stage.START),
        *loaded[:warm],
        (warm, Stage.WARM),
        *loaded[warm:],
        (minutes, Stage.END),
        (minutes + 1, Stage.GONE),
    ]
    return [leak(_sample(minute, stage)) for minute, stage in stages]


def _sample(minute: int, stage: Stage) -> Sample:
    living = 0 if stage in (Stage.START, Stage.GONE) else SERVERS
    created = 0 if stage is Stage.START else SERVERS + minute // 5
    done = Done(
        requests=100 * minute,
        servers=created,
        actions=created + 5 * minute,
        adjustments=10 * minute,
        scaled=created // SERVERS,
        moves=minute // 3,
        scrapes=3 * minute,
    )
    private = 120 + NOISE[minute % len(NOISE)]
    use = Use(rss_mb=private + 60, private_mb=private, threads=20, descriptors=30)
    return Sample(
        minute=minute,
        stage=stage,
        uses={SERVICE: use, "nova-api": use, "keystone": use},
        rows={
            "nova.services": 4,
            "nova.instances": created,
            "nova.instance_actions": done.actions,
            ADJUSTMENTS: done.adjustments,
            ADJUSTMENT_EVENTS: done.adjustments,
            "placement.allocations": 3 * living,
            "placement.consumers": living,
        },
        host={
            **{what: each * living for what, each in HOST.items()},
            "xloud_* keys of one server, at most": 13 if living else 0,
            "bytes of these keys, at most": 600 if living else 0,
            "events of adjustments without an end": 0,
            "changes by automatic growth": minute // 2,
            **{name: count for of in JOURNALS for name, count in _journal(of, minute).items()},
        },
        logged=100_000 * minute,
        living=living,
        done=done,
    )


def _journal(of: str, minute: int) -> dict[str, int]:
    """Return what the folder of a journal has that puts a file away every four minutes."""
    put_away = minute // 4
    before = 24 - put_away // 2
    return {
        f"{of}: bytes": 32_000 * before + 16_000 * put_away + 64_000 * (minute % 4),
        f"{of}: files": before + put_away + 1,
        f"{of}: files of before": before,
        f"{of}: files of this run": put_away,
        f"{of}: files not compressed": 0,
    }


def using(service: str = SERVICE, **a_minute: float) -> Leak:
    """Return a leak of a service: the fields of :class:`Use`, with how much more each minute."""

    def leak(one: Sample) -> Sample:
        use = one.uses[service]
        more = {
            name: type(getattr(use, name))(getattr(use, name) + each * one.minute)
            for name, each in a_minute.items()
        }
        return replace(one, uses={**one.uses, service: replace(use, **more)})

    return leak


def rows(**more: Callable[[Sample], int]) -> Leak:
    """Return a leak of rows: by table, with ``__`` for the dot, how many more a sample has."""

    def leak(one: Sample) -> Sample:
        tables = {name.replace("__", "."): each(one) for name, each in more.items()}
        return replace(
            one, rows={**one.rows, **{t: one.rows.get(t, 0) + n for t, n in tables.items()}}
        )

    return leak
