# SPDX-License-Identifier: Apache-2.0
"""Extra specs that are minimums, are only like them, or have values that are none."""

import re

from hypothesis import strategies as st

from tests.functional.bad_bodies import NO_NUMBERS

# The largest value of each minimum in a flavor of 4 vCPUs and 1024 MiB, and the smallest.
SPECS = {
    "minimum_cpu": (1, 4),
    "minimum_memory": (256, 1024),
    "xloud:minimum_cpu": (1, 4),
    "xloud:minimum_memory": (256, 1024),
}
NEAR_SPECS = (
    "minimum_cpus", "Minimum_CPU", "minimum_cpu ", " minimum_cpu", "xloud:", "xloud:autoscaled",
    "minimum_cpu:", "XLOUD:minimum_cpu", "xloud:x:minimum_cpu", "hw:minimum_cpu",
)  # fmt: skip
NO_SPEC_VALUES = (
    *NO_NUMBERS, "0", "00", "1\n", "\x00", "\ud800", "9" * 255, "9" * 256,
    "9" * 5000, 0, -1, 5000, 2**64, 1.0, 1.5, 1e400, -1e400, float("nan"),
    True, False, None, [], ["1"], {}, {"1": "1"},
)  # fmt: skip
NAMES = st.sampled_from([*SPECS, *NEAR_SPECS])
SPEC_VALUES = (
    st.integers(-(2**70), 2**70).map(str)
    | st.integers(250, 1030).map(str)
    | st.integers(1, 4).map(str)
    | st.integers(-5, 2000)
    | st.floats()
    | st.sampled_from(NO_SPEC_VALUES)
    | st.text(max_size=20)
    | st.lists(st.integers(), max_size=2)
)


def is_minimum(name, value):
    """Whether a flavor of 4 / 1024 may name this minimum; text is of ASCII digits only."""
    is_number = isinstance(value, (int, str)) and not isinstance(value, bool)
    if not (is_number and re.fullmatch("[0-9]{1,255}", str(value))):
        return False
    least, most = SPECS[name]
    return least <= int(value) <= most


def are_minimums(specs):
    """Whether a flavor of 4 / 1024 may name these, of which two are spellings of one."""
    named = {name: value for name, value in specs.items() if name in SPECS}
    pairs = ((one, f"xloud:{one}") for one in ("minimum_cpu", "minimum_memory"))
    values = ({int(named[one]) for one in pair if one in named} for pair in pairs)
    return all(is_minimum(*one) for one in named.items()) and all(len(one) < 2 for one in values)
