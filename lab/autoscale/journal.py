# SPDX-License-Identifier: Apache-2.0
"""Reads what the loop in a host's nova-compute has decided last, from its journal.

The journal has a line of JSON for each decision; docs/reference says what is in it. Here only the
end of the file that is being written is read.
"""

import json
from typing import Any

from lab.autoscale.driver import tail
from lab.autoscale.sample import Advice
from lab.layout import Compute
from lab.witnesses import Size

# [xloud] autoscale_journal by default, below nova-compute's state_path.
FILE = "xloud-autoscale/autoscale.jsonl"
# A line has 2 to 3 kB, and there is one for each server and round.
TAIL_BYTES = 64 * 1024


class Journal:
    """The journal of one host."""

    def __init__(self, compute: Compute) -> None:
        self.path = compute.state / FILE
        self._latest: dict[str, Advice] = {}

    def latest(self) -> dict[str, Advice]:
        """Return the last decision for each server, by the server's id; those of before count."""
        self._latest.update(decisions(tail(self.path, TAIL_BYTES)))
        return dict(self._latest)


def decisions(text: bytes) -> dict[str, Advice]:
    """Return the last decision for each server in the lines of a journal, by the server's id.

    The first line and the last may be cut off, and there are lines of other kinds.
    """
    found: dict[str, Advice] = {}
    for line in text.splitlines():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict) and data.get("kind") == "entry":
            found[data["uuid"]] = _advice(data["recommendation"])
    return found


def _advice(data: dict[str, Any]) -> Advice:
    vcpus, memory = data["vcpus"], data["memory_mb"]
    return Advice(
        need_vcpus=vcpus.get("need"),
        need_mb=memory.get("need"),
        size=Size(vcpus["wanted"], memory["wanted"]),
        codes=(vcpus["code"], memory["code"]),
    )
