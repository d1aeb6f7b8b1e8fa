# SPDX-License-Identifier: Apache-2.0
"""The commands ``nova-xloud-run`` and ``nova-xloud-status``."""
