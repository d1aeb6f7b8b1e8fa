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
