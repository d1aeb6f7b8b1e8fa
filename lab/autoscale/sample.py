# SPDX-License-Identifier: Apache-2.0
"""One sample of a host and of the servers on it, and its form in JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.guest.load import Distress
from lab.witnesses import Size


@dataclass(frozen=True)
class Advice:
    """What the loop in nova-compute has decided last for a server, by its journal.

    :ivar need_vcpus: the cores that the guest needs; None if that is not known
    :ivar need_mb: the memory that the guest needs, MiB; None if that is not known
    :ivar size: what is recommended
    :ivar codes: the reason codes of vCPUs and of memory
    """

    need_vcpus: float | None
    need_mb: float | None
    size: Size
    codes: tuple[str, str]


@dataclass(frozen=True)
class Server:
    """One server at one moment; None where nothing could be read.

    :ivar advice: what automatic growth has decided last
    :ivar desired: what the server is to have, by its status
    :ivar before: what Placement had allocated before libvirt and the guest were read
    :ivar libvirt: what libvirt reports
    :ivar guest: what the guest has reported last: CPUs online, and its RAM less its balloon
    :ivar after: what Placement had allocated after they were read
    :ivar taken_mb: the memory that the guest's load has taken, MiB
    :ivar cpu_seconds: CPU time that the guest has used since its boot, by its own clock
    :ivar distress: what the guest's kernel has counted since its boot
    :ivar booting: the guest has just started, and its balloon is still inflating
    """

    advice: Advice | None = None
    desired: Size | None = None
    before: Size | None = None
    libvirt: Size | None = None
    guest: Size | None = None
    after: Size | None = None
    taken_mb: int | None = None
    cpu_seconds: float | None = None
    distress: Distress | None = None
    booting: bool = False

    @property
    def reserved(self) -> Size | None:
        """What Placement had allocated last."""
        return self.after


@dataclass(frozen=True)
class Sample:
    """All that was read of a host at nearly one moment.

    :ivar at: seconds since the recording began
    :ivar capacity: what Placement may allocate of the host: total less the host reserve, times the
        allocation ratio
    :ivar used: what Placement has allocated of the host, to all consumers together
    :ivar servers: by name
    """

    at: float
    capacity: Size
    used: Size
    servers: Mapping[str, Server] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """Something that was done at a moment, such as giving a guest a load.

    :ivar at: seconds since the recording began
    :ivar server: the server's name; empty if it is about the host
    """

    at: float
    server: str
    text: str


@dataclass(frozen=True)
class Record:
    """What was recorded of one scene.

    :ivar scene: the scene's name
    """

    scene: str
    samples: Sequence[Sample]
    marks: Sequence[Mark]


def to_json(records: Sequence[Record], about: Mapping[str, Any]) -> str:
    """Return records as JSON text.

    :param about: what is to be known of the run, such as its options and its machine
    """
    return json.dumps({**about, "records": [asdict(one) for one in records]}) + "\n"


def from_json(text: str) -> tuple[list[Record], dict[str, Any]]:
    """Return the records of a JSON text and what is to be known of their run."""
    about = json.loads(text)
    records = [
        Record(
            one["scene"],
            [_sample(each) for each in one["samples"]],
            [Mark(**each) for each in one["marks"]],
        )
        for one in about.pop("records")
    ]
    return records, about


def _sample(data: dict[str, Any]) -> Sample:
    servers = {name: _server(each) for name, each in data["servers"].items()}
    return Sample(data["at"], Size(**data["capacity"]), Size(**data["used"]), servers)


def _server(data: dict[str, Any]) -> Server:
    sizes = ("desired", "before", "libvirt", "guest", "after")
    made = {name: data[name] and Size(**data[name]) for name in sizes}
    made["distress"] = data["distress"] and Distress(**data["distress"])
    if advice := data["advice"]:
        size, codes = Size(**advice["size"]), tuple(advice["codes"])
        made["advice"] = Advice(**{**advice, "size": size, "codes": codes})
    return Server(**{**data, **made})
