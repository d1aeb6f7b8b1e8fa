# SPDX-License-Identifier: Apache-2.0
"""Make the decisions of a journal again, with the same profiles or with another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.journal import Entry, Record
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.settings import Profile

NONSENSE = (ArithmeticError, LookupError, ValueError)
"""What is raised for figures that are each possible, and that make no sense beside each other.

nova-compute writes none; somebody has changed the journal, or the disk has.
"""


def replayed(records: Iterable[Record], profile: Profile | None = None) -> Iterator[Entry]:
    """Yield each entry of a journal with a new decision in place of its own, in the same order.

    The samples stay those of the sizes that the guests have had: what another profile recommends
    does not change what later samples show. A checkpoint counts only for an instance of which no
    record came before.

    :param profile: the profile that decides; None for the profile and constants of each entry, with
        which the decisions are the same ones to the byte, if the version that wrote the journal had
        the same rules and constants
    :raises ArithmeticError, LookupError, ValueError: :data:`NONSENSE`: the last record, or one
        before of the same instance, cannot be decided on
    """
    histories: dict[str, History] = {}
    for record in records:
        if not isinstance(record, Entry):
            histories.setdefault(record.uuid, record.history)
            continue
        entry = record
        if profile is not None:
            entry = replace(entry, profile=profile, tuning=None)
        history = observed(histories.get(entry.uuid, EMPTY), entry.sample, entry.constants)
        histories[entry.uuid] = history
        decision = recommend(history, entry.ranges, entry.constants, entry.recommendation.at)
        yield replace(entry, recommendation=decision)


def remembered(records: Iterable[Record]) -> dict[str, History]:
    """Return the history of each instance after the last of ``records``, by UUID.

    It is made again from the checkpoints and samples of a journal. Where figures make no sense
    beside each other, the instance's history begins anew after them.
    """
    histories: dict[str, History] = {}
    for record in records:
        if isinstance(record, Entry):
            before = histories.get(record.uuid, EMPTY)
            try:
                histories[record.uuid] = observed(before, record.sample, record.constants)
            except NONSENSE:
                histories[record.uuid] = EMPTY
        else:
            histories[record.uuid] = record.history
    return histories
