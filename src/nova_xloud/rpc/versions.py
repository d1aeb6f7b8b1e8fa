# SPDX-License-Identifier: Apache-2.0
"""The namespace and the versions of nova-xloud's RPC interface, most of it on nova-compute.

nova-conductor answers only ``about`` and ``check_growth``, nova-scheduler only ``about``. The
namespace is nova-xloud's own, so a service without nova-xloud answers that it does not know the
call, and does nothing else.

Versions:

* 1.0 - ``adjust``, ``status``, ``hotplug_vcpus``. Every answer is a dict: ``{"result": ...}`` or
  ``{"refused": {"code", "status", "message"}}``.
* 1.1 - ``plan``; ``adjust`` takes ``force``. A caller sends the lowest version that has what the
  call needs, so a compute host with 1.0 answers all that it knows.
* 1.2 - ``reserve``; ``unreserve``, which is a cast and has no answer.
* 1.3 - ``about``. The caller sends it as 1.0: a nova-compute with an older nova-xloud then answers
  that it does not know the call, and a service without nova-xloud that it does not know the
  namespace.
* 1.4 - ``now``; ``adjust``, ``reserve`` and ``hotplug_vcpus`` take ``answer_by``, a deadline by the
  clock that ``now`` returns, and the last two also take ``answer_within``. A caller calls ``now``
  first, or uses what it returned in the last ten minutes. A compute host that does not know ``now``
  is called without ``answer_by``, in the earlier version of the call.
* 1.5 - ``guests``. If a compute host does not know it, the caller calls ``status`` for each
  instance instead.
* 1.6 - ``adjust``, ``plan`` and ``reserve`` take ``autoscale``, the mode of automatic growth. It is
  sent only if the request names a mode, so an older compute host still answers all other requests.
  The answer of ``status`` has ``autoscale``; the caller adds what the database has of it to an
  older answer. nova-conductor answers ``check_growth``.
"""

NAMESPACE = "xloud"
VERSION = "1.6"
FIRST = "1.0"
