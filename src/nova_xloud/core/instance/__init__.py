# SPDX-License-Identifier: Apache-2.0
"""What is known of one instance.

desired     the size that was asked for last and admitted, as its record keeps it
values      the texts of that record, read strictly
lifecycle   phases of an adjustment, types of conditions, actions
guest       what libvirt and the guest tell of its sizes
pinned      why all of a guest's memory stays in the host's RAM
reports     how long a balloon driver may be silent
state       record, claim and guest together, and what has to be claimed
conditions  what is true of it now, with a reason code
sample      its numbers and conditions at one moment, for metrics
status      the same as the API shows it
"""
