# SPDX-License-Identifier: Apache-2.0
"""Make the decisions of a journal again, with the same options or with other ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.journal import Entry, Record
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.settings import Profile
from nova_xloud.core.autoscaling.tuning import TUNINGS

NONSENSE = (ArithmeticError, LookupError, ValueError)
"""What is raised for figures that are each possible, and that make no sense beside each other.

nova-compute writes none; somebody has changed the journal, or the disk has.
"""


@dataclass(frozen=True, slots=True)
class OtherOptions:
    """Options with which to decide again. What is None stays as it is in each entry.

    :ivar profile: the profile, with its own window
    :ivar window: ``[xloud] autoscale_window``, in seconds; 0 for the profile's
    :ivar cap: ``[xloud] autoscale_cap``, changes in an hour
    """

    profile: Profile | None = None
    window: float | None = None
    cap: int | None = None

    def applied(self, entry: Entry) -> Entry:
        """Return ``entry`` with these options, and with the decision that it has."""
        tuning, profile = entry.constants, self.profile or entry.profile
        cap = tuning.changes if self.cap is None else self.cap
        if self.profile is not None or self.window is not None:
            tuning = replace(TUNINGS[profile], interval=tuning.interval)
        tuning = tuning.with_options(self.window or 0.0, cap)
        usual = TUNINGS[profile]
        return replace(entry, profile=profile, tuning=None if tuning == usual else tuning)


def replayed(records: Iterable[Record], options: OtherOptions | None = None) -> Iterator[Entry]:
    """Yield each entry of a journal with a new decision in place of its own, in the same order.

    The samples stay those of the sizes that the guests have had: what other options recommend does
    not change what later samples show. With other options a checkpoint within the journal does not
    count, because it has what the entry's own options remember, unless it says that the guest was
    forgotten.

    :param options: the options that decide; None for the profile and constants of each entry, with
        which the decisions are the same ones to the byte, if the version that wrote the journal had
        the same rules and constants
    :raises ArithmeticError, LookupError, ValueError: :data:`NONSENSE`: the last record, or one
        before of the same instance, cannot be decided on
    """
    histories: dict[str, History] = {}
    for record in records:
        if not isinstance(record, Entry):
            if options is None or record.uuid not in histories or record.history == EMPTY:
                histories[record.uuid] = record.history
            continue
        entry = record if options is None else options.applied(record)
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
