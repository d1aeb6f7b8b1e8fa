# SPDX-License-Identifier: Apache-2.0
"""The engine in nova-compute: answers requests, drives instances to their size, and runs passes.

host               the entry: all that the RPC server and nova-compute's manager call
admit, claim       decide on a request, claim in Placement, and write the desired size
promises           keeps what was claimed for a request whose quota is checked a second time
converge, waits    one run: drives an instance to its desired size, step by step
observe            reads the guest, the claim and the record of an instance for a decision
execute, finish    execute one step of a run; record the outcome of a run
progress_deadline  decides when a run stops waiting for its guest
worker, agenda     carry out the runs of all instances in a few threads, the urgent ones first
reconcile          makes a pass over all elastic instances, and submits those that differ
watch, boot_grace  keep what is known of the guests: balloon drivers that report, last starts
agents, liveness   call what may hang in threads that can be abandoned
later, deadline    call something after a delay; the time until which a caller waits
ports, meter       the interfaces to libvirt, Placement and Nova, and to metrics
"""
