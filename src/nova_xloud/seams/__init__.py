# SPDX-License-Identifier: Apache-2.0
"""Extend stock Nova: :mod:`.table` lists the points to extend, :mod:`.install` applies them."""
