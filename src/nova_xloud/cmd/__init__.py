# SPDX-License-Identifier: Apache-2.0
"""The commands ``nova-xloud-run``, ``nova-xloud-status`` and ``nova-xloud-autoscale``."""
