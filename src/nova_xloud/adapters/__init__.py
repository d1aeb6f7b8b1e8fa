# SPDX-License-Identifier: Apache-2.0
"""Adapters that implement the ports of :mod:`nova_xloud.compute.ports` with Nova's own objects.

The modules, with the helpers that the adapters and :mod:`nova_xloud.seams` use:

open_instance   builds the ports of one instance
nova_objects    reads and writes sizes, records and flavor facts in Nova's objects
record          reads and writes the database record and the instance actions of one instance
placement       reads and writes the allocation of one instance in Placement
host_instances  reads all instances of a host, for a reconcile pass
locks           takes Nova's own lock of an instance
logs            sets the request id of the log lines of a thread
capacity        reads the largest amounts that a host can give to one instance
answers         turns Placement's HTTP answers into errors
"""
