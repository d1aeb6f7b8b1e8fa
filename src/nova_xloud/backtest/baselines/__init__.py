# SPDX-License-Identifier: Apache-2.0
"""The policies that automatic growth is compared with, each with the constants that were published.

Where the constants are from stands in the module of each policy.
"""
