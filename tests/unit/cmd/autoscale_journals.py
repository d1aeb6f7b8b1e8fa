# SPDX-License-Identifier: Apache-2.0
"""A journal of two servers: one is idle and far too large, the other one is short of vCPUs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nova_xloud.core.autoscaling.history import EMPTY, observed
from nova_xloud.core.autoscaling.journal import Entry, encode
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Mode, Profile, Range, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.size import Size

RANGES = Ranges(Range(1, 8), Range(512, 8192))
EPOCH = 1_700_000_000.0
IDLE, BUSY = "1de00000-0000-4000-8000-000000000001", "b0570000-0000-4000-8000-000000000002"


def entries(uuid: str, cores: float, used_mb: float, size: Size, count: int) -> Iterator[Entry]:
    """Yield what is decided each minute of a server whose size is never changed."""
    history, tuning = EMPTY, replace(TUNINGS[Profile.DENSE], interval=60.0)
    for minute in range(count):
        at = EPOCH + 60 * minute
        sample = GuestSample(
            at=at,
            boot_id=1,
            size=size,
            desired=size,
            cpu_seconds=cores * 60 * minute,
            delay_seconds=0.0,
            available_mb=float(size.memory_mb),
            usable_mb=size.memory_mb - used_mb,
            swapped_in_mb=0.0,
            swapped_out_mb=0.0,
            reported_at=at - 5,
            report_period=5.0,
        )
        history = observed(history, sample, tuning)
        decision = recommend(history, RANGES, tuning, at)
        yield Entry(uuid, Mode.OBSERVE, Profile.DENSE, RANGES, sample, decision, tuning=tuning)


def write_journal(path: Path, count: int = 90) -> Path:
    """Write the journal of the two servers, whose lines alternate."""
    pairs = zip(
        entries(IDLE, 0.2, 700, Size(8, 8192), count),
        entries(BUSY, 1.97, 700, Size(2, 2048), count),
        strict=True,
    )
    path.write_text("".join(f"{encode(entry)}\n" for pair in pairs for entry in pair))
    return path
