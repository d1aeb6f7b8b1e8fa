# SPDX-License-Identifier: Apache-2.0
"""Hypothesis for the tests of ``core``."""

from hypothesis import settings

# A busy machine is slow now and then; that says nothing of a pure function.
settings.register_profile("nova-xloud", deadline=None)
settings.load_profile("nova-xloud")
