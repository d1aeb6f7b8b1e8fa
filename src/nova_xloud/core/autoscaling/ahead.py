# SPDX-License-Identifier: Apache-2.0
"""How far a need for memory that rises is projected.

A rise goes on for as long as it has lasted, and for ``Tuning.lead`` seconds in which a growth can
be decided and done; ``Tuning.horizon`` seconds at most. But a job that comes again ends where it
has ended before. So until the highest need of before the rise is passed, the projection goes no
further than ``Tuning.headroom`` seconds of the rise beyond that need.

What a guest had to be ready for is remembered as long as what it has needed, and a guest is not
shrunk below it. So a rise as high and as steep as one of the window does not make memory grow that
was shrunk since.
"""

from __future__ import annotations

from nova_xloud.core.autoscaling.need import MemoryFigures
from nova_xloud.core.autoscaling.tuning import Tuning


def coming_need(figures: MemoryFigures, known: float | None, tuning: Tuning) -> float:
    """Return the need for which a guest should have memory now, MiB: at least its need.

    :param known: the highest need of the window before the need began to rise, MiB; None if unknown
    """
    ahead = min(tuning.horizon, figures.rising_for + tuning.lead)
    coming = figures.need + figures.trend * ahead
    if known is None or figures.need > known:
        return coming
    return min(coming, known + figures.trend * tuning.headroom)


def remembered_need(figures: MemoryFigures, known: float | None, tuning: Tuning) -> float:
    """Return the need, MiB, below which a guest is not shrunk in the window after a rise.

    That is :func:`coming_need`, but no further beyond a need that is higher than all before it than
    ``Tuning.headroom`` seconds of the rise: the next rise like this one is projected as far.

    :param known: see :func:`coming_need`
    """
    highest = max(figures.need, known or 0.0)
    most = highest + figures.trend * tuning.headroom
    return min(coming_need(figures, known, tuning), most)
