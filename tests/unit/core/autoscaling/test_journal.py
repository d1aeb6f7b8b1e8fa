# SPDX-License-Identifier: Apache-2.0
"""The journal: what is written of a decision is read again, and decides the same."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.history import EMPTY
from nova_xloud.core.autoscaling.journal import (
    BadLine,
    Checkpoint,
    Entry,
    Record,
    decode,
    encode,
)
from nova_xloud.core.autoscaling.replay import OtherOptions, remembered, replayed
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Mode, Profile
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import RANGES, TUNING, Guest


def recorded(steps: int, seed: int, uuid: str = "one") -> list[Record]:
    """The journal of a guest whose load wanders, with a checkpoint every 50 entries."""
    chance, guest, records = random.Random(seed), Guest(), list[Record]()
    for number in range(steps):
        if number % 50 == 0:
            records.append(Checkpoint(uuid, guest.history))
        if chance.random() < 0.02:
            guest.need, guest.cpu = chance.uniform(100, 3500), chance.uniform(0, 4)
        other = {"usable_mb": None} if chance.random() < 0.01 else {}
        if chance.random() < 0.01:
            guest.oom_kills += 1
        ranges = replace(RANGES, memory_mb=replace(RANGES.memory_mb, held=number % 3 * 300))
        guest.ranges = ranges
        decision = guest.step(**other)
        sample = guest.history.last
        assert sample is not None
        records.append(
            Entry(uuid, Mode.ON, Profile.DENSE, ranges, sample, decision, "done", 100, guest.tuning)
        )
    return records


def test_a_replay_gives_the_same_journal_to_the_byte() -> None:
    lines = [encode(record) for record in recorded(600, 1)]
    again = replayed([decode(line) for line in lines])
    entries = [line for line in lines if '"kind":"entry"' in line]
    assert [encode(entry) for entry in again] == entries
    assert any('"shrink.' in line for line in entries)
    assert any('"grow.' in line for line in entries)


def test_a_replay_of_a_rotated_journal_is_the_same_from_a_checkpoint_on() -> None:
    lines = [encode(record) for record in recorded(600, 2)]
    start = next(n for n in range(300, 600) if '"kind":"checkpoint"' in lines[n])
    again = replayed([decode(line) for line in lines[start:]])
    entries = [line for line in lines[start:] if '"kind":"entry"' in line]
    assert [encode(entry) for entry in again] == entries


def test_a_replay_without_a_checkpoint_shrinks_nothing_for_a_window() -> None:
    records = [record for record in recorded(600, 3)[200:] if isinstance(record, Entry)]
    first = records[0].sample.at
    for entry in replayed(records):
        assert entry.recommendation.at - first >= TUNING.window or not (
            entry.recommendation.memory_mb.code.startswith("shrink")
            or entry.recommendation.vcpus.code.startswith("shrink")
        )


def test_a_restart_remembers_what_was_known() -> None:
    records = recorded(333, 4) + recorded(40, 5, uuid="two")
    read = [decode(encode(record)) for record in records]
    histories = remembered(read)
    assert set(histories) == {"one", "two"}
    last = [record for record in read if isinstance(record, Entry)]
    again = list(replayed(read))
    assert [entry.recommendation for entry in again] == [entry.recommendation for entry in last]
    assert histories["two"].last == last[-1].sample


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    for record in recorded(400, 6):
        assert decode(encode(record)) == record


def test_another_profile_decides_by_its_own_constants() -> None:
    records = recorded(400, 7)
    careful = list(replayed(records, OtherOptions(Profile.CAREFUL)))
    assert all(entry.profile is Profile.CAREFUL and entry.tuning is None for entry in careful)
    assert not any(e.recommendation.memory_mb.code.startswith("shrink") for e in careful)


@pytest.mark.parametrize(
    "options", [OtherOptions(Profile.DENSE), OtherOptions(window=60.0), OtherOptions(cap=2)]
)
def test_other_options_remember_across_the_checkpoints_of_their_own(options: OtherOptions) -> None:
    records = recorded(400, 10)
    without = [records[0], *(one for one in records if isinstance(one, Entry))]
    assert list(replayed(records, options)) == list(replayed(without, options))


def test_options_that_are_not_named_stay() -> None:
    (_, entry) = recorded(1, 11)
    assert isinstance(entry, Entry)
    odd = replace(entry, tuning=replace(TUNING, changes=7, interval=30.0))
    dense = OtherOptions(Profile.DENSE).applied(odd).constants
    assert (dense.window, dense.changes, dense.interval) == (3600.0, 7, 30.0)
    short = OtherOptions(window=90.0).applied(odd).constants
    assert (short.window, short.changes, short.interval) == (90.0, 7, 30.0)
    assert OtherOptions(cap=9).applied(odd).constants == replace(odd.constants, changes=9)
    assert OtherOptions(cap=99).applied(odd).constants.changes == 32


def test_forgotten_guest_is_forgotten_with_other_options_too() -> None:
    records = recorded(100, 12)
    records[60:60] = [Checkpoint("one", EMPTY)]
    options = OtherOptions(cap=2)
    again = [entry.recommendation for entry in replayed(records, options)]
    after = [entry.recommendation for entry in replayed(records[61:], options)]
    assert again[-len(after) :] == after


def test_a_line_of_the_profile_own_constants_does_not_repeat_them() -> None:
    (_, entry) = recorded(1, 8)
    assert isinstance(entry, Entry)
    assert "window" in json.loads(encode(entry))["tuning"]
    assert "tuning" not in json.loads(encode(replace(entry, tuning=None)))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"v":2,"kind":"entry"}',
        '{"v":1,"kind":"other"}',
        '{"v":1,"kind":"entry","uuid":"one"}',
        '{"v":1,"kind":"checkpoint","uuid":5,"history":{}}',
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{"last":{"at":true}}}',
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{"more":1}}',
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{"changes":"no"}}',
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{"changes":[NaN]}}',
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{"changes":[1e400]}}',
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{"changes":[%s]}}' % ("9" * 400),
        '{"v":1,"kind":"checkpoint","uuid":"%s","history":{}}' % ("a" * 2**20),
        "[" * 100_000,
    ],
)
def test_a_line_that_is_none_is_said_to_be_bad(line: str) -> None:
    with pytest.raises(BadLine):
        decode(line)


def test_half_a_line_is_bad_wherever_it_ends() -> None:
    line = encode(recorded(1, 9)[1])
    for end in range(len(line)):
        with pytest.raises(BadLine):
            decode(line[:end])


# No counter of a guest or of libvirt has more than 64 bits.
INTEGERS = st.integers(-(2**64), 2**64)


@given(
    st.builds(
        GuestSample,
        at=st.floats(),
        boot_id=st.none() | INTEGERS,
        size=st.builds(Size, INTEGERS, INTEGERS),
        desired=st.builds(Size, INTEGERS, INTEGERS),
        cpu_seconds=st.none() | st.floats(),
        usable_mb=st.none() | st.floats(),
        oom_kills=st.none() | INTEGERS,
        report_period=st.floats(),
    )
)
def test_a_sample_of_nonsense_is_read_as_it_was_written(sample: GuestSample) -> None:
    guest = Guest()
    decision = guest.step()
    entry = Entry("one", Mode.OBSERVE, Profile.BALANCED, RANGES, sample, decision)
    line = encode(entry)
    assert "NaN" not in line
    assert "Infinity" not in line
    read = decode(line)
    assert isinstance(read, Entry)
    assert encode(read) == line
    if not any(isinstance(v, float) and math.isnan(v) for v in sample_values(sample)):
        assert read.sample == sample


def sample_values(sample: GuestSample) -> list[object]:
    return [sample.at, sample.cpu_seconds, sample.usable_mb, sample.report_period]


def test_an_empty_history_is_a_short_line() -> None:
    assert encode(Checkpoint("one", EMPTY)) == (
        '{"v":1,"kind":"checkpoint","uuid":"one","history":{}}'
    )
