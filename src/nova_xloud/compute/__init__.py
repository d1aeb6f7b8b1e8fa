# SPDX-License-Identifier: Apache-2.0
"""The engine in nova-compute: admits adjustments and drives instances to their desired size."""
