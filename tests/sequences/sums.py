# SPDX-License-Identifier: Apache-2.0
"""What each server has added to the sums of each host, seen from outside of the resource tracker.

Nova counts a server when it enters a host, takes it out when it leaves, and counts all servers anew
each minute. An adjustment in between changes nothing in the sums.
"""

import functools
from collections import defaultdict
from unittest import mock

from nova.conf import CONF

from nova_xloud.seams.resource_tracker import XloudResourceTracker

NOTHING = (0, 0)
# The methods that change the sums for one server, their second argument.
ADDS = ("_update_usage_from_instance", "_update_usage_from_migration", "_drop_move_claim")
# Counts all servers and then all migrations of a host anew, and begins with the servers.
COUNTS_ANEW = "_update_available_resource"
BEGINS = "_update_usage_from_instances"


class Sums:
    """Watches the resource trackers of all hosts.

    :param cloud: the :class:`tests.sequences.cloud.Cloud`, whose hosts are started afterwards
    """

    def __init__(self, cloud):
        self._cloud = cloud
        # By the tracker of a host, and the UUID of a server: what the server has added.
        self._added = defaultdict(lambda: defaultdict(lambda: NOTHING))
        # Servers that entered with another size than was allocated to them then.
        self._entered_wrong = []
        # The trackers that count anew now.
        self._counting = set()
        for name in ADDS:
            self._watch(name, self._add)
        self._watch(COUNTS_ANEW, self._count_anew)
        self._watch(BEGINS, self._begin)

    def _watch(self, name, watched):
        novas = getattr(XloudResourceTracker, name)

        def call(tracker, *args, **kwargs):
            return watched(functools.partial(novas, tracker), tracker, *args, **kwargs)

        patched = mock.patch.object(XloudResourceTracker, name, call)
        patched.start()
        self._cloud.addCleanup(patched.stop)

    def _add(self, novas, tracker, context, instance, *args, **kwargs):
        uuid = instance.uuid
        was_there, before = uuid in tracked(tracker), sums(tracker)
        try:
            return novas(context, instance, *args, **kwargs)
        finally:
            self._added[tracker][uuid] = _plus(
                self._added[tracker][uuid], _less(sums(tracker), before)
            )
            enters = not was_there and uuid in tracked(tracker)
            if enters and tracker not in self._counting:
                self._enters(tracker, uuid)

    def _enters(self, tracker, uuid):
        added, host = self._added[tracker][uuid], tracker.host
        allocated = self._cloud._claims_on(host, {"id": uuid})
        if added != allocated:
            what = f"{uuid} was counted with {added} on {host}, and {allocated} were allocated"
            self._entered_wrong.append(what)

    def _begin(self, novas, tracker, *args, **kwargs):
        self._added[tracker].clear()
        return novas(*args, **kwargs)

    def _count_anew(self, novas, tracker, *args, **kwargs):
        self._counting.add(tracker)
        try:
            return novas(*args, **kwargs)
        finally:
            self._counting.discard(tracker)

    def wrong(self, tracker):
        """Yield what is wrong in the sums of a host, as they are now.

        Each server has to be in them with the size with which it entered or was counted last, and a
        server that has left with nothing.
        """
        yield from self._entered_wrong
        added, here = self._added[tracker], tracked(tracker)
        for uuid, size in added.items():
            if uuid not in here and size != NOTHING:
                yield f"{uuid} is not on {tracker.host} any more, and has left {size} in its sums"
            if uuid in here and min(size) <= 0:
                yield f"{uuid} is in the sums of {tracker.host} with {size}"
        together = functools.reduce(_plus, added.values(), NOTHING)
        if sums(tracker) != together:
            yield f"{tracker.host} counts {sums(tracker)}, and its servers have added {together}"


def sums(tracker):
    """Return the vCPUs and the MiB of memory that a host counts as used by its servers."""
    node = tracker.compute_nodes[tracker.host]
    used = node.vcpus_used, node.memory_mb_used
    return _less(used, (CONF.reserved_host_cpus, CONF.reserved_host_memory_mb))


def tracked(tracker):
    """Return the UUIDs of the servers that are in the sums of a host."""
    return {*tracker.tracked_instances, *tracker.tracked_migrations}


def _plus(one, other):
    return one[0] + other[0], one[1] + other[1]


def _less(one, other):
    return one[0] - other[0], one[1] - other[1]
