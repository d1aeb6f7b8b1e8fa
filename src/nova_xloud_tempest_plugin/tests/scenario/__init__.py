# SPDX-License-Identifier: Apache-2.0
"""Tests of adjustments combined with Nova's own operations."""
