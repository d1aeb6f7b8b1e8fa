"""Takes a sample of all that a soak run looks at."""

from lab.layout import Layout
from lab.soak import host, journal, metrics, processes, rows
from lab.soak.sample import Sample, Stage
from lab.soak.tally import Done, Tally


def sample(layout: Layout, stage: Stage, minute: float, living: int, tally: Tally | None) -> Sample:
    """Read everything now; it takes a second or so.

    :param minute: minutes since the load began
    :param living: the servers of the load that exist
    :param tally: what the load has done, which is read last: a request counts before it is sent
    """
    uses = processes.uses(layout)
    counted = rows.rows(layout)
    on_hosts = {**host.on_hosts(layout), **metrics.series(layout), **rows.records(layout)}
    on_hosts |= journal.journals(layout)
    on_hosts["events of adjustments without an end"] = rows.open_events(layout)
    return Sample(
        minute=round(minute, 2),
        stage=stage,
        uses=uses,
        rows=counted,
        host=on_hosts,
        logged=host.logged(layout),
        living=living,
        done=Done() if tally is None else tally.done,
    )
