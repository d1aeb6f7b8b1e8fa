# SPDX-License-Identifier: Apache-2.0
"""The engine in nova-compute: answers requests, drives instances to their size, and makes passes.

host               the entry: what the RPC server and nova-compute's manager call
admit, claim       decide on a request, claim in Placement, and write the desired size
promises           remembers what was claimed for a request whose quota is checked once more
converge, waits    one run: drives an instance to its desired size, step by step
observe            reads the guest, the claim and the record of an instance for a decision
outcome            says how a run ended, or that it ends because another operation goes first
execute, finish    execute one step of a run; record the outcome of a run
progress_deadline  decides when a run stops waiting for its guest
worker, agenda     carry out the runs of all instances in a few threads, the urgent ones first
reconcile          makes a pass over all elastic instances, and queues runs for drifts
attempts           decides when a pass, or automatic growth, tries an instance again
left_open          ends the events of instance actions that no run would end
host_reading       what a pass has read, and what it reports to the meter
watch, boot_grace  remember of each guest whether its balloon driver reports, and its last start
agents, liveness   make calls that may hang, in threads that can be abandoned
later, deadline    a timer for calls; the time until which a caller waits for an answer
ports, meter       the interfaces to libvirt, Placement and Nova, and to metrics
"""
