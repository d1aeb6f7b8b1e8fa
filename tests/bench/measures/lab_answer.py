"""From the request to 202: beside a GET of the server, and beside Nova's own action ``lock``.

Each time the three are asked one right after the other, in an order that is shuffled, of the same
server; the run of the adjustment is waited for before anything else is asked.
"""

import random

from lab.cloud import Size
from tests.bench import asking, lab
from tests.bench.figures import Figure, Goal, Result
from tests.bench.printed import progress

_SMALL, _LARGE = Size(1, 512), Size(1, 640)
_RAM = 1024
_SHOW, _LOCK = Goal(3), Goal(1.5)


def run(options):
    """A growth and a shrink, each beside both."""
    pairs = options.count(30, 2)
    cloud = lab.cloud()
    timed = {"growth": [], "shrink": []}
    draw = random.Random(options.seed)
    with lab.server(cloud, _RAM, _SMALL) as server:
        nova, log = asking.Nova(cloud), asking.Log(cloud.layout)
        for number in range(pairs):
            progress(f"  pair {number + 1} of {pairs}")
            for way, size in (("growth", _LARGE), ("shrink", _SMALL)):
                timed[way].append(_asked(nova, log, server, size, draw))
    return Result(tuple(_figures(timed)))


def _asked(nova, log, server, size, draw):
    """``{what was asked: seconds}``."""
    seconds = {}

    def adjust():
        seconds["adjust"], request_id = nova.adjust(server, size)
        log.wait_for_end(request_id)

    def show():
        seconds["show"], _ = nova.show(server)

    def lock():
        seconds["lock"], _ = nova.act(server, "lock")
        nova.act(server, "unlock")

    for ask in draw.sample((adjust, show, lock), 3):
        ask()
    return seconds


def _figures(timed):
    for way, measured in timed.items():
        for beside, name, goal in (("GET of the server", "show", _SHOW), ("lock", "lock", _LOCK)):
            yield Figure(
                f"{way} beside {beside}",
                "POST os-xloud-adjust until 202, 128 MiB",
                "GET /servers/{id}" if name == "show" else "Nova's action lock, until 202",
                "ms",
                tuple((one[name] * 1000, one["adjust"] * 1000) for one in measured),
                goal,
            )
