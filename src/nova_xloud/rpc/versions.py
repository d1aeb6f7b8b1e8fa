# SPDX-License-Identifier: Apache-2.0
"""Our RPC interface on nova-compute; on nova-conductor and nova-scheduler ``about`` only.

It has a namespace of its own, so a compute host without nova-xloud answers
that it does not know the call instead of doing something else.

Versions:

* 1.0 - adjust, status, hotplug_vcpus. Every answer is a dict: ``{"result": ...}`` or
  ``{"refused": {"code", "status", "message"}}``.
* 1.1 - plan; adjust takes force. A caller sends the lowest version that has what it asks for, so a
  compute host with 1.0 serves all that it knows.
* 1.2 - reserve; unreserve, which is a cast and answers nothing.
* 1.3 - about. It is asked for in 1.0: a service with an older nova-xloud then says that it does not
  know the call, and one without nova-xloud that it does not know the namespace.
* 1.4 - now; adjust, reserve and hotplug_vcpus take answer_by, a time that now has told, and the
  last two answer_within. A caller asks for the time first; a compute host that does not know it is
  asked without answer_by, in the version that it was asked in before.
* 1.5 - guests. A compute host that does not know it is asked for the status of each instance.
"""

NAMESPACE = "xloud"
VERSION = "1.5"
FIRST = "1.0"
