# SPDX-License-Identifier: Apache-2.0
"""Every point where stock Nova is extended: :mod:`.table` is the list, :mod:`.install` does it."""
