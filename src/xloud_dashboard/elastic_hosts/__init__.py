# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic hosts of the dashboard Admin: what is claimed on each host, and promised.

panel     the panel
capacity  what a host has, and what the servers on it have and could have
urls      the address
views     the page
"""
