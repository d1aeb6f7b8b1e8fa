# SPDX-License-Identifier: Apache-2.0
"""What was reserved a moment ago is remembered, for a moment."""

from __future__ import annotations

from typing import Any

from nova_xloud.compute.promises import GOOD_FOR, Promises
from nova_xloud.testing import ManualClock


def test_it_is_taken_once() -> None:
    reserved: Any = object()
    promises = Promises(ManualClock().now)
    assert promises.take("a") is None
    promises.put("a", reserved)
    assert promises.take("b") is None
    assert promises.take("a") is reserved
    assert promises.take("a") is None


def test_what_was_read_too_long_ago_is_forgotten_of_all_instances() -> None:
    first: Any = object()
    second: Any = object()
    clock = ManualClock()
    promises = Promises(clock.now)
    promises.put("a", first)
    promises.put("b", first)
    clock.advance(GOOD_FOR + 1)
    assert promises.take("a") is None
    promises.put("c", second)
    assert promises._made.keys() == {"c"}
