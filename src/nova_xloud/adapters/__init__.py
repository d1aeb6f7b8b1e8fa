# SPDX-License-Identifier: Apache-2.0
"""The ports of the engine over the Nova that it runs in, and Nova's objects in core's terms.

open_instance   how an instance gets its ports
nova_objects    what an instance is and holds, from its record, flavor and image
record          the record of one instance, read and written
placement       its claim in Placement
host_instances  all instances of a host, for a pass
locks           Nova's lock of an instance
logs            the instance that a log line is of
capacity        what a host can give to one instance
answers         what Placement's answers mean
"""
