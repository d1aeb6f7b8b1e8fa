# SPDX-License-Identifier: Apache-2.0
"""Decides each recorded sample of a journal again, and pairs the result with the recorded decision.

With the options that the journal has for each decision, the new line of the journal should be the
recorded line, byte for byte. With other options, the new decisions show what those would have
recommended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nova_xloud.backtest.journals import JournalError, Line
from nova_xloud.core.autoscaling.journal import Entry, Record, encode
from nova_xloud.core.autoscaling.replay import NONSENSE, OtherOptions, replayed


@dataclass(frozen=True, slots=True)
class Pair:
    """One decision of a journal, and the decision that was made anew from the same sample.

    :ivar line: the line of the journal that has the decision
    :ivar entry: the record of that line
    :ivar again: the same record, with the new decision as its recommendation
    :ivar text: the line that would be written for ``again``
    """

    line: Line
    entry: Entry
    again: Entry
    text: str

    @property
    def is_same(self) -> bool:
        """Whether the new line and the journal's line are the same, byte for byte."""
        return self.text == self.line.text


def pairs(lines: Iterable[Line], options: OtherOptions | None) -> Iterator[Pair]:
    """Yield each decision of a journal with the one that is made anew, in the same order.

    :param lines: all lines of the journal. Those that have no decision say what was remembered of
        a server, and yield nothing
    :param options: the options of the new decisions; None: those that the journal has for each
    :raises JournalError: a record has figures that make no sense beside each other
    """
    waiting: list[Line] = []

    def records() -> Iterator[Record]:
        for line in lines:
            if isinstance(line.record, Entry):
                waiting.append(line)
            yield line.record

    try:
        for again in replayed(records(), options):
            line = waiting.pop()
            assert isinstance(line.record, Entry)
            yield Pair(line, line.record, again, encode(again))
    except NONSENSE as error:
        # Reading the journal raises none of these, and no Pair is worked on within yield.
        line = waiting.pop()
        raise JournalError(
            f"{line.file}, line {line.number}: this line, or one before it of the same server, has "
            f"figures that nova-compute cannot have written: {error}"
        ) from error


@dataclass(slots=True)
class Outcome:
    """The recorded and the new recommendations for one server, summed up.

    :ivar uuid: the server's UUID
    :ivar decisions: how many decisions were compared
    :ivar others: in how many of them the new recommendation is another size
    :ivar vcpus: sum of the vCPUs of the recorded recommendations
    :ivar memory_mb: sum of the memory of the recorded recommendations, MiB
    :ivar vcpus_again: sum of the vCPUs of the new recommendations
    :ivar memory_mb_again: sum of the memory of the new recommendations, MiB
    """

    uuid: str
    decisions: int = 0
    others: int = 0
    vcpus: int = 0
    memory_mb: int = 0
    vcpus_again: int = 0
    memory_mb_again: int = 0

    def add(self, pair: Pair) -> None:
        """Add one more decision of the server to all counts and sums."""
        was, now = pair.entry.recommendation.size, pair.again.recommendation.size
        self.decisions += 1
        self.others += was != now
        self.vcpus += was.vcpus
        self.memory_mb += was.memory_mb
        self.vcpus_again += now.vcpus
        self.memory_mb_again += now.memory_mb

    def mean(self, total: int) -> float:
        """Return ``total``, one of the sums, divided by the number of decisions.

        The result is 0 if there were no decisions.
        """
        return total / self.decisions if self.decisions else 0.0
