# SPDX-License-Identifier: Apache-2.0
"""What policies of automatic growth would have done to recorded loads, and how that scores.

Traces of real machines are played to a policy tick by tick, in a model of a guest, its report and
its balloon. Nothing here knows Nova or libvirt. What decides for the policy ``ours`` is the same
function that nova-compute calls, ``nova_xloud.core.autoscaling``.
"""
