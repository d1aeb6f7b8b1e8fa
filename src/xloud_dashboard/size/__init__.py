# SPDX-License-Identifier: Apache-2.0
"""The size of one server: a tab of Nova's own page of the server, and the views behind it.

bars     the two bars, as places from 0 to 100 %
words    what a status says, in sentences, lamps and cards
actions  what Nova can do about a condition, as buttons
forms    the form for a size
totals   sums over several servers
page     everything that the page shows of a server
tab      the tab
views    what the forms and the script ask for
"""
