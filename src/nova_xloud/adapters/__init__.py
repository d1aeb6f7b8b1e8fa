# SPDX-License-Identifier: Apache-2.0
"""Adapters that implement the ports of :mod:`nova_xloud.compute` over Nova's own objects.

The port ``Domain`` is not among them: :mod:`nova_xloud.libvirt` implements it.

The modules, some of which are helpers of the adapters and of :mod:`nova_xloud.seams`:

open_instance   builds the ports of one instance
nova_objects    reads sizes, records and flavor facts from Nova's objects, and writes records
image_meta      reads the image of an instance, of which Nova may have stored only a part
record          reads and writes the database record and the instance actions of one instance
placement       reads and writes the allocation of one instance in Placement
host_instances  reads all instances of a host, for a reconcile pass
scaled_guests   reads guests and the room on a host for automatic growth, and asks for the quota
locks           takes Nova's own lock of an instance
logs            sets the request id that the log lines of a thread have
capacity        reads from Placement the largest amounts that a host can give to one instance
answers         makes exceptions from Placement's HTTP answers
"""
