# SPDX-License-Identifier: Apache-2.0
"""How many cores a guest has used between two samples, and what cannot be."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.need import Counters, CpuFigures, cpu_figures
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size


def used(
    cores: float, vcpus: int, before: int | None = None, seconds: float = 5.0
) -> CpuFigures | None:
    """What is made of so many cores, used for some seconds.

    :param before: how many vCPUs the guest had before these seconds; None: as many
    """
    size, cpu_seconds = Size(vcpus, 1024), 100 + seconds * cores
    sample = GuestSample(
        1000.0 + seconds, 1, size, size, cpu_seconds=cpu_seconds, delay_seconds=0.0
    )
    return cpu_figures(sample, Counters(1000.0, 100.0, 0.0, before or vcpus))


@pytest.mark.parametrize("vcpus", [1, 4, 64])
def test_more_than_there_are_are_unknown(vcpus: int) -> None:
    assert used(1.2 * vcpus, vcpus) is None


@pytest.mark.parametrize("vcpus", [1, 4, 64])
def test_few_more_than_there_are_are_all_of_them(vcpus: int) -> None:
    figures = used(1.05 * vcpus, vcpus)
    assert figures is not None
    assert (figures.used, figures.wanted, figures.share) == (vcpus, vcpus, 1.0)


def test_guest_that_is_read_a_fifth_of_a_second_late_is_busy() -> None:
    """As long as a round of each second may take, see ``Reading``."""
    figures = used(1.19, 1, seconds=1.0)
    assert figures is not None
    assert figures.share == 1.0
    assert used(1.21, 1, seconds=1.0) is None


@pytest.mark.parametrize(("before", "now"), [(2, 4), (4, 2)])
def test_vcpus_that_were_plugged_or_unplugged_between_count(before: int, now: int) -> None:
    figures = used(3.5, now, before)
    assert figures is not None
    assert figures.used == 3.5
