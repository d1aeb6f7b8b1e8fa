# SPDX-License-Identifier: Apache-2.0
"""How many requests Hypothesis generates for a test, and of which seed."""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("NOVA_XLOUD_FUZZ", "0"))


def fuzz_settings(examples, **others):
    """Settings for as many examples, the same ones in each run.

    With ``NOVA_XLOUD_FUZZ=N`` there are N times as many, of another seed each time.
    """
    return settings(
        max_examples=examples * max(TIMES, 1),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **others,
    )
