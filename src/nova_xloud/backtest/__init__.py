# SPDX-License-Identifier: Apache-2.0
"""What policies of automatic growth would have done to recorded loads, and how that scores.

Traces of real machines are played to a policy tick by tick, in a model of a guest, its memory
statistics and its balloon. Nothing here knows Nova or libvirt. The policy ``ours`` is that of
nova-xloud: it calls the functions of ``nova_xloud.core.autoscaling`` that nova-compute calls too.
"""
