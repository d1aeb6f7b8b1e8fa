"""All measures, in one table.

Each is a module of its own with ``run(options)``, which measures and returns a
:class:`tests.bench.figures.Result`. It is imported when it is asked for.
"""

import importlib
from dataclasses import dataclass

# Where a measure runs.
IN_PROCESS, LAB = "in-process", "lab"


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table.

    :ivar name: for the command line and for files
    :ivar title: the heading in the report
    :ivar help: what is measured and beside what, in a sentence or two
    :ivar goal: in words, or an empty text
    :ivar where: ``IN_PROCESS`` or ``LAB``, which is brought up for it
    """

    name: str
    title: str
    help: str
    goal: str = ""
    where: str = IN_PROCESS

    def run(self, options):
        """Measure; returns a :class:`tests.bench.figures.Result`."""
        module = importlib.import_module(f"{__name__}.{self.name.replace('-', '_')}")
        return module.run(options)


MEASURES = (
    Measure(
        "lab-adjust",
        "From the request until the guest has it",
        "In the lab, on one host: an adjustment, beside one PUT to Placement and libvirt's own "
        "calls on a guest with the same definition. Both guests print what they have five times a "
        "second, and that is what is waited for.",
        goal="at most 1.5, each",
        where=LAB,
    ),
    Measure(
        "lab-answer",
        "From the request to 202",
        "In the lab: an adjustment of 128 MiB, a GET of the same server and Nova's action lock, "
        "asked one right after the other.",
        goal="at most 3 and 1.5",
        where=LAB,
    ),
    Measure(
        "lab-trace",
        "Where the time goes",
        "In the lab, with services that write down when each part began and ended: one adjustment "
        "up, one down, those with the median time.",
        where=LAB,
    ),
    Measure(
        "lab-memory",
        "Memory given back",
        "In the lab: how fast a guest gives back much memory that it does not use, beside virsh "
        "setmem on a guest with the same definition.",
        goal="at least 0.5",
        where=LAB,
    ),
    Measure(
        "engine-burst",
        "Many requests at once on one host",
        "1, 10, 100 and 500 requests to grow at once, over RabbitMQ to the engine with simulated "
        "guests and a real Placement, while 100 guests refuse to shrink: beside as many PUTs of "
        "allocations.",
        goal="p99 of growth at most twice its median; no claim lost",
    ),
    Measure(
        "engine-pass",
        "A pass over a host at rest",
        "What a pass over 10, 100 and 1000 instances costs and asks, with simulated guests and a "
        "real Placement.",
        goal="at most 5 ms an instance; linear; nothing is written",
    ),
    Measure(
        "engine-memory",
        "Memory and threads after many adjustments",
        "1000 servers with simulated guests and 10,000 adjustments in one process, beside the same "
        "process in which none is adjusted; then all servers are deleted.",
        goal="at most 50 MiB; no thread more; nothing is kept",
    ),
    Measure(
        "engine-waiting",
        "Thousands of runs that wait",
        "What each of 5000 runs takes that wait for their guests at the same time.",
        goal="no thread more",
    ),
    Measure(
        "autoscale-off",
        "Automatic growth that is off",
        "A pass over 100 servers with automatic growth off, beside the same engine made without "
        "automatic growth.",
        goal="at most 1.02; no thread more",
    ),
    Measure(
        "autoscale-round",
        "A round of automatic growth",
        "What a round over 100, 300 and 1000 guests costs: their statistics parsed, their need, "
        "the recommendations, who gets what, the journal. libvirt answers at once, with as many "
        "figures as KVM has of four vCPUs.",
        goal="at most 1 % of a core for 100 guests; linear; 16 KiB a guest",
    ),
    Measure(
        "autoscale-change",
        "A change by automatic growth",
        "What one change asks of nova-conductor, the databases and Placement, in a small cloud in "
        "one process: exact numbers, no times. What they come to in a large region: "
        "[on paper](admin/autoscale-at-scale.md).",
    ),
    Measure(
        "listing",
        "A list of servers with their sizes",
        "A hundred elastic servers in one request, in an in-process cloud: our list beside Nova's "
        "own list with details of the same servers.",
        goal="at most 3",
    ),
    Measure(
        "density",
        "Servers on one host",
        "Under a load that rises and falls, one hour compressed, in-process with Nova's services "
        "and Placement: servers of a flavor of 1 to 4, beside stock flavors of 4 and of 1.",
    ),
    Measure(
        "boot",
        "A boot of a stock server",
        "From POST /servers to ACTIVE, of a flavor without our extra specs, in an in-process "
        "cloud: stock Nova beside Nova with nova-xloud.",
        goal="at most 1.02",
    ),
    Measure(
        "scheduling",
        "Scheduling a stock server",
        "What a conductor asks of a scheduler with 50 hosts, claim included: stock Nova beside "
        "Nova with nova-xloud.",
        goal="at most 1.02",
    ),
    Measure(
        "calls",
        "Python functions called",
        "How many Python functions a boot and a scheduling call, which no other load on the "
        "machine changes: stock Nova beside Nova with nova-xloud.",
    ),
    Measure(
        "moves",
        "What moves of a stock server ask of others",
        "SQL statements, RPC calls and requests to Placement of each move: stock Nova beside Nova "
        "with nova-xloud. Exact numbers, no times.",
    ),
    Measure(
        "services",
        "Services before they serve",
        "The CPU time of each service's imports and its memory then, in fresh processes: stock "
        "Nova beside Nova with nova-xloud.",
    ),
)


def by_name():
    """``{name: Measure}`` in the order of the table."""
    return {one.name: one for one in MEASURES}
