# SPDX-License-Identifier: Apache-2.0
"""Decides what is done next with one instance.

plan        whether a request is admitted, and what is claimed for it first
next_step   the next step towards the desired size
steps       the kinds of steps, and what a run remembers between two of them
balloon     the balloon's next step, and how far memory may shrink in one step
giving_up   when a size that the guest does not reach is given up
dry_run     the steps that a request would lead to
drift       how an instance differs from its record, and when a run is tried again
"""
