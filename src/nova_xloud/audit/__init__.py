# SPDX-License-Identifier: Apache-2.0
"""Whether the invariants hold: reads a whole cloud from outside of its services, changes nothing.

``cells``   Nova's databases, and those of them that cannot be read
``cloud``   instances and hosts in them, and Placement
``guests``  what the guests hold: from their libvirt, or from nova-compute
``check``   the passes over them, and looking again
``report``  what came of it, as text and as JSON
"""
