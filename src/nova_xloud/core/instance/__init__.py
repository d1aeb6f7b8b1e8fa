# SPDX-License-Identifier: Apache-2.0
"""What is known of one instance.

desired     the size that was asked for last and admitted, as the record keeps it
asked       what a person has asked for last, for automatic growth
values      reads the values of that record, which may be any text
lifecycle   the phases of an adjustment, and the names of instance actions
guest       the sizes that libvirt and the guest report
pinned      why all of a guest's memory stays in the host's RAM
reports     how long a balloon driver that works may be silent
state       record, claim and guest of one moment, and the size that must be claimed
conditions  what is true of the instance now, with a reason code
sample      the sizes and conditions at one moment, for metrics
status      the sizes and conditions as the API shows them
"""
