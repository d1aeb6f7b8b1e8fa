"""What :mod:`tests.bench.measures.density` has done in the cloud's own process."""

from tests.bench import load, one_host


def fill_with_stock(units):
    """How many servers of a stock flavor the host takes."""
    return one_host.run(lambda case: _fill(case, units))


def adjust_to(needs):
    """Adjust so many servers to what they need; returns the arguments of ``load.hour``."""
    return one_host.run(lambda case: _adjust(case, needs))


def _fill(case, units):
    return len(case.fill(case.flavor_of(units), one_host.UNITS + 1))


def _adjust(case, needs):
    servers = case.fill(case.elastic_flavor(), len(needs))
    assert len(servers) == len(needs), f"the host takes {len(servers)} servers only"
    units = [load.LEAST] * len(servers)
    sizes, asked, refused = [], 0, 0
    for needed in zip(*needs, strict=True):
        for grows in (False, True):
            wanted = [
                n for n, one in enumerate(needed) if one != units[n] and grows == (one > units[n])
            ]
            changed = []
            for number in wanted:
                admitted = case.adjust(servers[number], needed[number])
                asked, refused = asked + grows, refused + (not admitted)
                if admitted:
                    units[number] = needed[number]
                    changed.append(servers[number])
            case.wait_for(changed)
        sizes.append(tuple(units))
    return sizes, needs, asked, refused
