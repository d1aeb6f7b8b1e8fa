# SPDX-License-Identifier: Apache-2.0
"""The commands ``openstack server adjust``, with ``show``, ``list`` and ``history``."""
