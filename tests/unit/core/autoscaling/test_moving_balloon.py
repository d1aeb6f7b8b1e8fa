# SPDX-License-Identifier: Apache-2.0
"""A report is older than the balloon's size beside it: what moved in between is no need."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.history import MemoryHistory
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import KERNEL_MB, PERIOD, Guest

USED_MB = 300.0
RATE_MB = 600
"""MiB by which the balloon moves between two samples."""
LAG_MB = 400
"""MiB by which it has moved since the report that a sample has."""


def moved(guest: Guest, sizes: list[int], lag_mb: int) -> list[MemoryHistory]:
    """What is remembered at each of these sizes, of reports that are behind by `lag_mb`."""
    seen = []
    for size_mb in sizes:
        guest.size = Size(1, size_mb)
        available = size_mb - lag_mb - KERNEL_MB
        guest.step(
            desired=Size(1, sizes[-1]),
            available_mb=available,
            usable_mb=available - USED_MB,
            reported_at=guest.now + 4,
        )
        seen.append(guest.history.memory)
    return seen


GROWS = list(range(1024, 4096, RATE_MB))
SHRINKS = GROWS[::-1]


@pytest.mark.parametrize(("sizes", "lag_mb"), [(GROWS, LAG_MB), (SHRINKS, -LAG_MB)], ids=str)
@pytest.mark.parametrize("is_known", [True, False], ids=["known-before", "never-still-before"])
def test_a_balloon_that_moves_is_no_need_and_no_trend(
    is_known: bool, sizes: list[int], lag_mb: int
) -> None:
    guest = Guest(size=Size(1, sizes[0]), need=USED_MB, obeys=False)
    if is_known:
        guest.run(60)
    kernel_mb = KERNEL_MB if is_known else 0.0
    for memory in moved(guest, sizes[1:], lag_mb):
        assert memory.figures is not None
        assert memory.figures.need == pytest.approx(USED_MB + kernel_mb)
        assert memory.figures.trend == 0


@pytest.mark.parametrize("lag_mb", [LAG_MB, 0, -LAG_MB])
def test_the_end_of_a_move_is_no_trend(lag_mb: int) -> None:
    guest = Guest(size=Size(1, GROWS[0]), need=USED_MB, obeys=False)
    moved(guest, GROWS, lag_mb)
    decision = guest.step()
    figures = guest.history.memory.figures
    assert figures is not None
    assert (figures.need, figures.trend) == (USED_MB + KERNEL_MB, 0)
    assert "grow" not in decision.memory_mb.code


def test_a_need_that_rises_while_the_balloon_moves_is_a_trend() -> None:
    guest = Guest(size=Size(1, 1024), need=USED_MB, obeys=False)
    guest.run(60)
    guest.size, guest.need = Size(1, 2048), USED_MB + 500
    guest.step()
    assert guest.history.memory.figures is not None
    # Of 1024 MiB that came back a quarter may not be free yet.
    assert guest.history.memory.figures.trend == pytest.approx((500 - 256) / PERIOD)


def test_pages_that_are_not_free_yet_are_no_trend() -> None:
    guest = Guest(size=Size(1, 512), need=161.0, obeys=False)
    guest.run(60)
    for size_mb, used in ((768, 219.0), (1057, 219.0), (1057, 161.0)):
        guest.size, guest.need = Size(1, size_mb), used
        assert "rising" not in guest.step(1.0).memory_mb.votes
