"""Lines of the tables that are printed."""

from tests.bench import paired

GOAL = 1.02
MISSED = f"Boot or scheduling is above {GOAL}."
_ASKED = ("sql", "rpc", "placement")


def times(what, unit, pairs, kinds, *, goal=False):
    """One line for each kind of number in ``pairs``.

    :return: False where the goal is missed: by the CPU time, the first kind, and all of its spread
    """
    held = True
    for kind in kinds:
        one = _ratio(pairs, kind)
        held = held and not (goal and kind == kinds[0] and one.low > GOAL)
        print(_line(f"{what}, {kind}", unit, one, len(pairs)))
    return held


def so_far(what, pairs):
    """The CPU time as it looks until now, for who waits and for who cannot wait to the end."""
    return _line(f"{what}, so far", "ms", _ratio(pairs, "cpu"), len(pairs))


def counts(what, stock, extended):
    """Sums of what is asked of others, and each line in which the two differ."""
    sums = [f"{name} {_sum(stock, name)} -> {_sum(extended, name)}" for name in _ASKED]
    print(f"{what + ', asks':30} {', '.join(sums)}")
    for name in sorted({*stock, *extended}):
        before, after = stock.get(name, 0), extended.get(name, 0)
        if before != after:
            print(f"{'':30}   {name}: {before} -> {after}")


def _ratio(pairs, kind):
    return paired.ratio([(stock[kind], extended[kind]) for stock, extended in pairs])


def _line(what, unit, one, pairs):
    return (
        f"{what:30} {one.stock:8.1f} -> {one.extended:8.1f} {unit:4}"
        f" ratio {one.ratio:.3f}  ({one.low:.3f} to {one.high:.3f}, {pairs} pairs)"
    )


def _sum(counted, prefix):
    return sum(number for name, number in counted.items() if name.startswith(f"{prefix} "))
