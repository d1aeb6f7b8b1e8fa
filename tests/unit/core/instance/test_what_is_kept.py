# SPDX-License-Identifier: Apache-2.0
"""What is desired once a size is given up: only of what was not reached another one."""

from __future__ import annotations

import pytest

from nova_xloud.core.convergence.giving_up import FAILED, after_try
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size

NO_STATISTICS = "xloud.guest_refused.no_statistics"


@pytest.mark.parametrize("confirmed", [False, None])
def test_memory_that_nobody_confirms_is_not_given_up_with_the_vcpus(confirmed: bool | None) -> None:
    """It counts with its maximum, and that is no size that anybody asked for, or that it had."""
    desired = Desired(Size(4, 512), generation=1, tries=9)
    guest = DomainReading(True, False, 8, 2, 1, 4096, 512, memory_confirmed=confirmed)
    state = InstanceState(desired, Size(4, 4096), guest)
    after = after_try(desired, state, FAILED, 10, "now")
    assert after.given_up is not None
    assert (after.persisted, after.live) == (Size(2, 512), None)


def test_memory_that_nobody_confirms_stays_at_the_size_that_it_was_set_to() -> None:
    desired = Desired(Size(2, 512), generation=1, tries=9)
    guest = DomainReading(True, False, 8, 2, 1, 4096, 1024, memory_confirmed=False)
    state = InstanceState(desired, Size(2, 4096), guest)
    after = after_try(desired, state, NO_STATISTICS, 10, "now")
    assert (after.persisted, after.live) == (Size(2, 1024), None)
