# SPDX-License-Identifier: Apache-2.0
"""What Horizon reads to find the plugin. The files are read in the order of their names."""
