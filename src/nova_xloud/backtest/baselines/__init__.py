# SPDX-License-Identifier: Apache-2.0
"""The policies that nova-xloud's own is compared with, each with the constants that were published.

The module of each policy says where its constants are from.
"""
