# SPDX-License-Identifier: Apache-2.0
"""Every safety rule is needed: without it a history goes wrong that goes well with it."""

from __future__ import annotations

import pytest

from tests.simulator.history import live
from tests.simulator.rules import RULES, Rule
from tests.simulator.schedule import Violation

# Every rule was seen to be needed long before.
ENOUGH = 3000


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_without_it_a_history_goes_wrong_that_goes_well_with_it(rule: Rule) -> None:
    # The generator or the engine may have moved it.
    seeds = (rule.seen_at, *range(ENOUGH))
    live(next(seed for seed in seeds if _goes_wrong_without(rule, seed)))


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def _goes_wrong_without(rule: Rule, seed: int) -> bool:
    try:
        with rule.off():
            live(seed)
    except Violation as violation:
        return rule.shows_as in str(violation)
    return False
