# SPDX-License-Identifier: Apache-2.0
"""Hypothesis for the unit tests."""

from hypothesis import HealthCheck, settings

# A busy machine is slow now and then; that says nothing of a pure function.
settings.register_profile("nova-xloud", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nova-xloud")
