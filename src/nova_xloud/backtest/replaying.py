# SPDX-License-Identifier: Apache-2.0
"""Makes each decision of a journal anew, beside the decision that the journal has.

With the profile of each entry both should be the same to the byte. With another profile they show
what that profile would have recommended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nova_xloud.backtest.journals import Line
from nova_xloud.core.autoscaling.journal import Entry, Record, encode
from nova_xloud.core.autoscaling.replay import replayed
from nova_xloud.core.autoscaling.settings import Profile


@dataclass(frozen=True, slots=True)
class Pair:
    """One decision of a journal, and the one that was made anew.

    :ivar line: the line of the journal; its record is an entry
    :ivar entry: the entry of that line
    :ivar again: the entry with the decision made anew
    :ivar text: the line that the new entry gives
    """

    line: Line
    entry: Entry
    again: Entry
    text: str

    @property
    def is_same(self) -> bool:
        """Whether the new line is the old one to the byte."""
        return self.text == self.line.text


def pairs(lines: Iterable[Line], profile: Profile | None) -> Iterator[Pair]:
    """Yield each decision of a journal with the one that is made anew, in the same order.

    :param profile: the profile of the new decisions; None: that of each entry
    """
    waiting: list[Line] = []

    def records() -> Iterator[Record]:
        for line in lines:
            if isinstance(line.record, Entry):
                waiting.append(line)
            yield line.record

    for again in replayed(records(), profile):
        line = waiting.pop()
        assert isinstance(line.record, Entry)
        yield Pair(line, line.record, again, encode(again))


@dataclass(slots=True)
class Outcome:
    """What would have been recommended for one server, beside what was.

    :ivar uuid: the server
    :ivar decisions: how many decisions were compared
    :ivar others: how many of them recommend another size
    :ivar vcpus: sum of the vCPUs that were recommended
    :ivar memory_mb: sum of the memory that was recommended, MiB
    :ivar vcpus_again: sum of the vCPUs that are recommended now
    :ivar memory_mb_again: sum of the memory that is recommended now, MiB
    """

    uuid: str
    decisions: int = 0
    others: int = 0
    vcpus: int = 0
    memory_mb: int = 0
    vcpus_again: int = 0
    memory_mb_again: int = 0

    def add(self, pair: Pair) -> None:
        """Count one more decision."""
        was, now = pair.entry.recommendation.size, pair.again.recommendation.size
        self.decisions += 1
        self.others += was != now
        self.vcpus += was.vcpus
        self.memory_mb += was.memory_mb
        self.vcpus_again += now.vcpus
        self.memory_mb_again += now.memory_mb

    def mean(self, total: int) -> float:
        """Return ``total`` divided by the number of decisions; 0 if there were none."""
        return total / self.decisions if self.decisions else 0.0
