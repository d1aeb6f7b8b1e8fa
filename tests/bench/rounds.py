"""Stock and extended clouds in turns, in rounds with fresh clouds, and the tables of counts."""

import collections

from tests.bench import worker
from tests.bench.figures import Table
from tests.bench.printed import progress, so_far

WARM_UP = 3
_ASKED = ("sql", "rpc", "placement")


def in_rounds(options, hosts, operations):
    """Counts of each operation, and all its pairs; each round has clouds of its own."""
    timed = collections.defaultdict(list)
    rounds = 1 if options.quick else options.rounds
    asked = options.count(90, 4)
    for number in range(rounds):
        seed = options.seed + number
        pairs = asked // rounds + (number < asked % rounds)
        progress(f"round {number + 1} of {rounds}: two clouds of {hosts} hosts start")
        with worker.both(hosts, seed, same=options.same) as workers:
            for operation in operations:
                worker.in_turns(workers, operation, WARM_UP, seed)
                progress(f"  {operation}: {pairs} pairs")
                timed[operation] += worker.in_turns(workers, operation, pairs, seed)
                progress(f"  {so_far(operation, pairs_of(timed[operation], 'cpu'), 'ms')}")
            counts = {o: [w.ask("count", o) for w in workers] for o in operations}
    return counts, timed


def pairs_of(measured, kind):
    """``(theirs, ours)`` of one kind of number in pairs of answers."""
    return tuple((stock[kind], extended[kind]) for stock, extended in measured)


def sums_table(title, counted):
    """What is asked of others, summed, by operation.

    :param counted: ``{operation: (stock, extended)}``
    """
    rows = (
        (operation, *(f"{_sum(stock, kind)} -> {_sum(extended, kind)}" for kind in _ASKED))
        for operation, (stock, extended) in counted.items()
    )
    return Table(title, ("", "SQL", "RPC", "Placement"), tuple(rows))


def counts_table(title, stock, extended):
    """Sums of what is asked of others, and each kind in which the two differ."""
    differs = [n for n in sorted({*stock, *extended}) if stock.get(n, 0) != extended.get(n, 0)]
    rows = [(kind, _sum(stock, kind), _sum(extended, kind)) for kind in _ASKED]
    rows += [(name, stock.get(name, 0), extended.get(name, 0)) for name in differs]
    return Table(title, ("", "stock", "extended"), tuple(rows))


def _sum(counted, prefix):
    return sum(number for name, number in counted.items() if name.startswith(f"{prefix} "))
