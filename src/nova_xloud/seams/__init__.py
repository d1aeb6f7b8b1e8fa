# SPDX-License-Identifier: Apache-2.0
"""The points where stock Nova is extended: :mod:`.table` lists them, :mod:`.install` extends."""
