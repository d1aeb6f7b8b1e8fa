# SPDX-License-Identifier: Apache-2.0
"""Hypothesis for the unit tests: ``NOVA_XLOUD_FUZZ=N`` has it try N times as many examples."""

import os

from hypothesis import HealthCheck, settings

# A busy machine is slow now and then; that says nothing of a pure function.
settings.register_profile(
    "nova-xloud",
    deadline=None,
    max_examples=100 * max(int(os.environ.get("NOVA_XLOUD_FUZZ", "0")), 1),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("nova-xloud")
