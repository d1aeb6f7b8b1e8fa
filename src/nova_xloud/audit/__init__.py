# SPDX-License-Identifier: Apache-2.0
"""Looks at a whole cloud from outside of its services, and changes nothing.

Whether the invariants hold:

``cells``   Nova's databases, and those of them that cannot be read
``cloud``   instances and hosts in them, and Placement
``guests``  what the guests hold: from their libvirt, or from nova-compute
``check``   the passes over them, and looking again
``report``  what came of it, as text and as JSON

Whether all of it is as nova-xloud needs it:

``services``   what Nova's services say of themselves over RPC
``osapi``      what nova-api shows of itself over HTTP
``readiness``  what each check reads; :mod:`nova_xloud.core.checks.upgrade_check` judges
"""
