"""One sample of a soak run, and its form in JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from lab.soak.tally import Done


class Stage(StrEnum):
    """When a sample was taken."""

    # Before the first server.
    START = "start"
    # Under load, each minute.
    LOAD = "load"
    # The load pauses after the warm-up.
    WARM = "warm"
    # The load has ended, and its servers run.
    END = "end"
    # All servers were deleted.
    GONE = "gone"


@dataclass(frozen=True)
class Use:
    """What a service's processes have: memory in MiB, and counts.

    :ivar private_mb: memory that no other process shares (smaps_rollup, Private_*)
    """

    rss_mb: float
    private_mb: float
    threads: int
    descriptors: int


@dataclass(frozen=True)
class Sample:
    """All that was read at one moment.

    :ivar minute: minutes since the load began
    :ivar uses: by service
    :ivar rows: by ``<database>.<table>``: all rows, also those that Nova has as deleted
    :ivar host: what is on the hosts, by name: files, definitions, and the like
    :ivar logged: bytes of all logs of Nova and Placement
    :ivar living: the servers of the load that exist
    """

    minute: float
    stage: Stage
    uses: Mapping[str, Use]
    rows: Mapping[str, int]
    host: Mapping[str, int]
    logged: int
    living: int
    done: Done = field(default_factory=Done)


def to_json(samples: Sequence[Sample], about: Mapping[str, Any]) -> str:
    """Return samples as JSON text, with a line for each.

    :param about: what is to be known of the run, such as its seed and its machine
    """
    head = json.dumps(about, indent=1).rstrip("\n}")
    lines = ",\n  ".join(json.dumps(asdict(one)) for one in samples)
    return f'{head},\n "samples": [\n  {lines}\n ]\n}}\n'


def from_json(text: str) -> tuple[list[Sample], dict[str, Any]]:
    """Return the samples of a JSON text and what is to be known of their run."""
    about = json.loads(text)
    samples = [
        Sample(
            **{
                **one,
                "stage": Stage(one["stage"]),
                "uses": {name: Use(**use) for name, use in one["uses"].items()},
                "done": Done(**one["done"]),
            }
        )
        for one in about.pop("samples")
    ]
    return samples, about
