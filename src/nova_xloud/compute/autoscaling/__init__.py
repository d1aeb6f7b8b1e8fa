# SPDX-License-Identifier: Apache-2.0
"""Automatic growth in nova-compute: what reads guests, asks for sizes, and keeps the journal.

What is decided comes from :mod:`nova_xloud.core.autoscaling`. ``loop`` calls a round of
``autoscaler``; ``requests`` and ``act`` ask for a size as a person would.
"""
