# SPDX-License-Identifier: Apache-2.0
"""How an instance is scaled: the request, then the flavor, then nova.conf."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.mode import OFF, Scaling, mode_of, problems, scaling_of
from nova_xloud.core.autoscaling.settings import Mode, Profile

SPECS = {
    "xloud:autoscale": "observe",
    "xloud:autoscale_profile": "dense",
    "xloud:autoscale_weight": "250",
}


@pytest.mark.parametrize(
    ("requested", "flavor", "default", "mode"),
    [
        (None, None, Mode.OFF, Mode.OFF),
        (None, None, Mode.ON, Mode.ON),
        (None, "observe", Mode.ON, Mode.OBSERVE),
        (None, "off", Mode.ON, Mode.OFF),
        (Mode.OFF, "on", Mode.ON, Mode.OFF),
        (Mode.ON, "off", Mode.OFF, Mode.ON),
        (None, "sometimes", Mode.ON, Mode.ON),
    ],
    ids=["nobody", "the cloud", "the flavor", "off", "asked off", "asked on", "nonsense"],
)
def test_first_that_says_something_counts(
    requested: Mode | None, flavor: str | None, default: Mode, mode: Mode
) -> None:
    specs = {} if flavor is None else {"xloud:autoscale": flavor}
    assert scaling_of(specs, requested, default).mode is mode


def test_flavor_names_profile_and_weight() -> None:
    assert scaling_of(SPECS) == Scaling(Mode.OBSERVE, Profile.DENSE, 250)


@pytest.mark.parametrize("weight", ["0", "1001", "-3", "2.5", "heavy", "", "9" * 30])
def test_stored_weight_that_cannot_be_is_the_default(weight: str) -> None:
    assert scaling_of({"xloud:autoscale_weight": weight}).weight == 100


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ({"xloud:autoscale": "yes"}, "is 'yes'; it must be one of off, observe, on"),
        ({"xloud:autoscale": True}, "is True; it must be one of"),
        ({"xloud:autoscale_profile": ""}, "is ''; it must be one of dense, balanced, careful"),
        ({"xloud:autoscale_weight": "0"}, "is '0'; it must be an integer from 1 to 1000"),
        ({"xloud:autoscale_weight": None}, "is None; it must be an integer from 1 to 1000"),
    ],
)
def test_value_that_means_nothing_is_named_with_what_may_be(
    specs: dict[str, object], words: str
) -> None:
    (problem,) = problems(specs)
    assert words in problem


def test_good_values_and_other_specs_are_no_problem() -> None:
    assert problems({**SPECS, "hw:cpu_policy": "whatever", "xloud:autoscaled": "x"}) == []


def test_stored_profile_that_cannot_be_is_the_default() -> None:
    assert scaling_of({"xloud:autoscale_profile": "brave"}).profile is Profile.BALANCED


def test_nothing_is_scaled_where_nothing_is_said() -> None:
    assert scaling_of({}) == OFF
    assert OFF.is_off
    assert mode_of(None) is None
