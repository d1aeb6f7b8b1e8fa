"""What is printed while it is measured: lines of progress, and each figure when it is there."""

import sys

from tests.bench import paired
from tests.bench.figures import summary, verdict


def progress(text):
    """Tell who waits how far it is."""
    print(text, file=sys.stderr, flush=True)


def so_far(what, pairs, unit):
    """A line as it looks until now, for who waits and for who cannot wait to the end."""
    one = paired.ratio(pairs)
    numbers = f"{one.theirs:8.1f} -> {one.ours:8.1f} {unit:4} ratio {one.ratio:.3f}"
    return (
        f"{what + ', so far':38} {numbers}  ({one.low:.3f} to {one.high:.3f}, {len(pairs)} pairs)"
    )


def show(result):
    """Print the figures and tables of a measure."""
    for figure in result.figures:
        print(line(figure))
    for table in result.tables:
        print(f"{table.title}: {' | '.join(map(str, table.header))}")
        for row in table.rows:
            print("    " + " | ".join(map(str, row)))


def line(figure):
    """A figure as one line."""
    one = summary(figure)
    theirs = "" if one.theirs is None else f"{one.theirs:.4g} -> "
    ratio = "" if one.ratio is None else f"  ratio {one.ratio:.3f}"
    said = f"  {verdict(figure)}" if figure.goal else ""
    spread = f"({one.low:.4g} to {one.high:.4g}, {len(figure.pairs)} pairs)"
    return f"{figure.name:38} {theirs}{one.ours:.4g} {figure.unit}{ratio}  {spread}{said}"
