# SPDX-License-Identifier: Apache-2.0
"""Extend stock Nova at its seams: the points that nova-xloud extends or calls.

:mod:`.table` and :mod:`.calls` list the seams, :mod:`.seam` says what a seam is, and
:mod:`.install` checks and applies them. Each other module has the extensions of one subject.
"""
