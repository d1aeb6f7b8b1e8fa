# SPDX-License-Identifier: Apache-2.0
"""The commands ``openstack server adjust``, ``server adjust show`` and ``server adjust list``."""
