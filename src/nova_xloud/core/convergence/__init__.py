# SPDX-License-Identifier: Apache-2.0
"""What is done next with one instance.

plan        whether a request is admitted, and what is claimed for it first
next_step   the next step towards the desired size
steps       the steps
balloon     how far memory may go down at once
giving_up   when a size that the guest does not follow is given up
dry_run     the steps that a request would lead to
drift       which instances differ from their record, and when to try again
"""
