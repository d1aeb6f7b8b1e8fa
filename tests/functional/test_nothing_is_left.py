# SPDX-License-Identifier: Apache-2.0
"""Of servers that are gone a compute host keeps nothing."""

from nova_xloud.testing import Behaviour
from tests.bench import leftovers
from tests.functional.base import AdjustTestCase


class NothingIsLeft(AdjustTestCase):
    boot_grace = 0

    def test_whatever_was_done_to_them(self):
        stubborn = self._elastic()
        self._adjust(stubborn, current_memory_mb=768)
        self._has(1, 768, stubborn)
        self.restart_compute_service("host1")
        manager = self.computes["host1"].manager
        reconciler = manager.xloud._reconciler
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        self.guests.domain(stubborn["id"]).behaviour = Behaviour.REFUSES
        self._adjust(stubborn, current_memory_mb=512)
        reconciler.run()
        uuids = {self.server["id"], stubborn["id"]}
        # It is looked for in the right places.
        assert leftovers.of(uuids, leftovers.roots_of(manager)) != []
        for server in (self.server, stubborn):
            self._delete_server(server)
        self._wait(lambda: self.assertEqual({}, manager.xloud._worker._runs))
        self._wait(lambda: self.assertEqual([], manager.xloud._worker._later._calls))
        reconciler.run()
        now = reconciler._now
        reconciler._now = lambda: now() + 3600

        def is_nothing_left():
            # As each pass is made, with what follows it in its thread. The thread of an earlier
            # pass may still be ending events; then another pass ends the others.
            reconciler.begin().join()
            self.assertEqual([], leftovers.of(uuids, leftovers.roots_of(manager)))

        self._wait(is_nothing_left)
