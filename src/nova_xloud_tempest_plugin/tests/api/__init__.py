# SPDX-License-Identifier: Apache-2.0
"""Tests of single requests to the API of nova-xloud."""
