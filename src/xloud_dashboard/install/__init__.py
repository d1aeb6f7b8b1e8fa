# SPDX-License-Identifier: Apache-2.0
"""Installs the plugin into a Horizon, checks that it is there, and takes it away.

command  the command line
horizon  the installed Horizon: its folders, and its settings, which another process reads
links    the files that Horizon reads, as links to those of this package
static   the two steps after which browsers get the plugin's files, and what is stale of them
probe    what runs in the other process
"""
