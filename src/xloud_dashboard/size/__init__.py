# SPDX-License-Identifier: Apache-2.0
"""The size of one server: a tab of Nova's own page of the server, and the views behind it.

bars     the two bars, as places from 0 to 100 %
words    what a status says, in sentences, lamps and cards
actions  what Nova can do about a condition, as buttons
chart    the chart of a resource over time, as places in a picture
readings what a page has seen of a server since it is open
past     the last hour of a server: from Prometheus, or what a page has seen
forms    the form for a size
room     what quota and host have, beside a dry run
totals   sums over several servers
page     everything that the page shows of a server
tab      the tab
views    what the forms and the script ask for
"""
