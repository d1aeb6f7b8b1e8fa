# SPDX-License-Identifier: Apache-2.0
"""What each code means and what to do about it, as data that is written once.

The commands, the checks and the tables of docs/admin take their texts from here.

remedy      one entry: what a code means, and what to do
refusals    the codes of refusals, and Nova's own refusals by their HTTP status
blocked     the codes ``xloud.blocked.<why>``
conditions  the reasons of conditions
findings    the codes of ``nova-xloud-status invariants``
table       all of them together, and the search for a code
"""
