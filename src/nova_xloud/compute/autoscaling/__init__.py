# SPDX-License-Identifier: Apache-2.0
"""Automatic growth in nova-compute: it reads guests, requests sizes, and keeps the journal.

The decisions are made in :mod:`nova_xloud.core.autoscaling`. ``loop`` calls a round of
``autoscaler`` every few seconds. ``requests`` and ``act`` request a size, which the engine admits
or refuses like a person's request.
"""
