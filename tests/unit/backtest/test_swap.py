# SPDX-License-Identifier: Apache-2.0
"""When the model kills a process for want of memory."""

from __future__ import annotations

import pytest

from nova_xloud.backtest.swap import Starvation


@pytest.mark.parametrize(
    ("times", "kills"),
    [
        ([(1025, 1)], 1),
        ([(1024, 60)], 0),
        ([(1024, 61)], 1),
        ([(500, 30), (500, 31)], 1),
        ([(500, 50), (0, 1), (500, 50)], 0),
        ([(16, 1000)], 0),
        ([(40, 1000)], 0),
        ([(41, 361)], 2),
        ([(2000, 299)], 1),
        ([(2000, 301)], 2),
        ([(500, 61), (2000, 10)], 1),
        ([(2000, 10), (500, 290)], 1),
        ([(2000, 10), (500, 291)], 2),
    ],
    ids=[
        "more-than-swap", "a-minute", "more-than-a-minute", "two-pieces", "interrupted", "trifle",
        "hundredth", "above-a-hundredth", "5-minutes", "more-than-5-minutes", "then-more-than-swap",
        "then-less", "again",
    ],
)  # fmt: skip
def test_kills(times: list[tuple[float, float]], kills: int) -> None:
    starvation = Starvation()
    for missing, seconds in times:
        starvation.lasts(missing, 4000, seconds)
    assert starvation.kills == kills
