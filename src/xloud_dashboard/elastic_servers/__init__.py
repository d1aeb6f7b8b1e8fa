# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic servers of the dashboard Project, which has the addresses of the Size tab too.

panel        the panel
tables       the table
several      adjusts several servers
together     asks the cloud about several servers at the same time
asking       the page that asks before several servers are adjusted
urls         the addresses
views        the page
"""
