"""One row of the table of a soak run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One row of the table.

    :ivar what: what was measured
    :ivar values: at the start, after the warm-up, at the end of the load, and after the deletion
    :ivar bound: the bound, in words
    :ivar problem: what is wrong, as a sentence; empty if nothing is
    :ivar note: why nothing was judged; empty if something was
    """

    what: str
    values: tuple[float, ...]
    bound: str
    problem: str = ""
    note: str = ""
