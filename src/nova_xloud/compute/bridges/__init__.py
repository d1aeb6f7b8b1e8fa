# SPDX-License-Identifier: Apache-2.0
"""The compute room's ports, over the Nova that it runs in: one file a port."""
