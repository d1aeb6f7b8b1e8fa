# SPDX-License-Identifier: Apache-2.0
"""The ports of the package compute, over the Nova that it runs in: one file a port."""
