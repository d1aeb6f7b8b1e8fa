# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic servers of the dashboard Project, which has the addresses of the Size tab too.

panel   the panel
quota   the quota of the project
tables  the table
urls    the addresses
views   the page
"""
