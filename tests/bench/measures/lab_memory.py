"""How fast much memory is given back: beside a plain ``virsh setmem`` on a like guest."""

from lab.cloud import Size
from tests.bench import asking, guests, lab, paired
from tests.bench.figures import Figure, Goal, Result
from tests.bench.printed import progress

_GOAL = Goal(0.5, at_least=True)
_SMALL = Size(1, 1024)
_RAM = 8192
_LARGE = {"4 GiB": Size(1, 5120), "6 GiB": Size(1, 7168)}


def run(options):
    """GiB/s of the guest's shrinking; how it grew before is not timed."""
    pairs = options.count(6, 1)
    cloud = lab.cloud()
    timed = {name: [] for name in _LARGE}
    turns = iter(paired.order(pairs * len(_LARGE), options.seed))
    with lab.server(cloud, _RAM, _SMALL) as server, guests.plain(cloud, server, _SMALL) as plain:
        nova, log = asking.Nova(cloud), asking.Log(cloud.layout)
        console = guests.console_of(cloud, server)

        def ours(before, after):
            seconds, (_, request_id) = guests.seconds_until_seen(
                console, after, lambda: nova.adjust(server, after)
            )
            log.wait_for_end(request_id)
            return seconds

        def theirs(before, after):
            return guests.seconds_until_seen(
                plain.console, after, lambda: plain.set(before, after)
            )[0]

        for number in range(pairs):
            for name, large in _LARGE.items():
                progress(f"  {name}, pair {number + 1} of {pairs}")
                answers = [None, None]
                for index in (1, 0) if next(turns) else (0, 1):
                    side = (theirs, ours)[index]
                    side(_SMALL, large)
                    answers[index] = side(large, _SMALL)
                timed[name].append(tuple(answers))
    return Result(tuple(_figure(name, timed[name]) for name in timed))


def _figure(name, seconds):
    gib = (_LARGE[name].memory_mb - _SMALL.memory_mb) / 1024
    return Figure(
        f"memory down, {name}",
        "POST os-xloud-adjust until the guest shows it, with every step's safety",
        "virsh setmem --live, until the guest shows it",
        "GiB/s",
        tuple((gib / theirs, gib / ours) for theirs, ours in seconds),
        _GOAL,
    )
