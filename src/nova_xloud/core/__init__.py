# SPDX-License-Identifier: Apache-2.0
"""What nova-xloud decides, as functions of what was read before; nothing here calls a service.

size         vCPUs and memory, and what a guest was seen to have
sizing       which sizes an instance may have, and what they count for
instance     what is known of one instance
convergence  what is done next with one instance
autoscaling  which size a guest needs, for automatic growth
remedies     what each code means and what to do about it, as data
checks       the checks of ``nova-xloud-status``
"""
