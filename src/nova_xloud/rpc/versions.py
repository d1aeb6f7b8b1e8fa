# SPDX-License-Identifier: Apache-2.0
"""Our RPC interface on nova-compute.

It has a namespace of its own, so a compute host without nova-xloud answers
that it does not know the call instead of doing something else.

Versions:

* 1.0 - adjust, status, hotplug_vcpus. Every answer is a dict: ``{"result": ...}`` or
  ``{"refused": {"code", "status", "message"}}``.
"""

NAMESPACE = "xloud"
VERSION = "1.0"
