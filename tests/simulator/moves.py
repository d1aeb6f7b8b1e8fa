# SPDX-License-Identifier: Apache-2.0
"""Operations that move what is claimed: to another host, by live migration and back, to a flavor.

In the order of Nova's conductor: what is held becomes the migration's, and Placement forgets the
consumer that the instance was, with its generation. What the target needs is claimed by a new
consumer of the same name. The record says where the instance is only when its guest has arrived.
"""

from __future__ import annotations

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import bounds_of
from tests.simulator.doing import Doing
from tests.simulator.scenario import MAXIMUM, MINIMUM
from tests.simulator.server import flavor

LARGER = Size(MAXIMUM.vcpus + 2, MAXIMUM.memory_mb)
MOVES = ("migrate", "resize", "live_migrate", "live_return")


class Moves(Doing):
    """Migrations of both kinds, and resize."""

    def _claim_the_move(self) -> bool:
        """What is held here becomes the migration's; the instance's is what the target needs.

        :returns: False: the conductor found no host, and has undone it
        """
        server, kind = self._server, self._operation.kind
        if self._world.provider.unreachable:
            return False
        if kind == "live_return":
            return self._claim_the_return()
        self._becomes_the_migrations()
        self._scheduler_looks()
        if kind == "resize":
            found = self._world.provider.has_room_for(MINIMUM)
            if found:
                server.claims.come_back(MINIMUM)
        else:
            found = self._operation.how != "no_host"
            if found:
                server.claims.claim_elsewhere()
        self._seen("claimed on the target" if found else "no host is found")
        if not found:
            self._move_is_undone()
        return found

    def _becomes_the_migrations(self) -> None:
        server = self._server
        self._world.provider.others[self._migration] = server.claims.size
        server.migration, server.covered_by_migration = server.claims.size, True
        server.claims.move_away()
        self._world.checks.claim_moves(server)
        self._seen("the claim is the migration's")

    def _scheduler_looks(self) -> None:
        """The scheduler takes longer than any call of ours that was on its way.

        It is called, asks Placement for candidates and the database for its hosts, reads what the
        consumer has and writes its claim: eight ways at least, and ours is three from the reading
        of the record to the claim. Nothing in Placement tells a claim that took longer.
        """
        faults = self._world.scenario.faults
        self._world.schedule.sleep(self._world.rng.uniform(8, 12) * faults.hop)

    @property
    def _migration(self) -> str:
        return f"migration of {self._server.uuid}"

    def _move_is_undone(self) -> None:
        server = self._server
        assert server.migration is not None
        server.claims.come_back(server.migration)
        self._migration_ends()

    def _migration_ends(self) -> None:
        self._world.provider.others.pop(self._migration, None)
        self._server.migration, self._server.covered_by_migration = None, False

    def _migrate(self) -> None:
        """Away, without its guest; or it fails, and everything is as before."""
        server = self._server
        self._takes()
        if self._operation.at % 2 < 1:
            self._move_is_undone()
        else:
            if server.guest.active:
                server.guest.stop()
            server.guest.undefine()
            server.record.on_this_host = False
            self._migration_ends()
        self._done()

    def _live_migrate(self) -> None:
        """Its guest goes on while it is copied; then it runs there, or goes on here."""
        server = self._server
        self._takes()
        if self._operation.how == "fails" or not server.guest.active:
            self._move_is_undone()
            self._world.count("live migration is rolled back")
            self._done()
            return
        assert server.migration is not None
        # What was claimed on the target: no run of another host is played that would change it.
        server.claimed_away = server.migration
        server.leaves()
        self._seen("its guest has left")
        self._moment()
        server.record.on_this_host = False
        self._world.count("live migration away")
        self._done()
        self._moment()
        self._migration_ends()
        self._seen("its claim here has ended")

    def _claim_the_return(self) -> bool:
        server = self._server
        # As nova_xloud.seams.moves.live_migration_request has it: what its source has reserved, and
        # not what its record says, which is less while a run is on its way.
        size = server.claimed_away
        server.claims.move_away()
        self._scheduler_looks()
        found = self._world.provider.has_room_for(size)
        if found:
            server.claims.come_back(size)
        else:
            server.claims.claim_elsewhere()
        self._seen("claimed here again" if found else "there is no room here")
        return found

    def _live_return(self) -> None:
        """The domain runs here before Nova says so; its definition is what the live one was."""
        server, world = self._server, self._world
        self._takes()
        if server.away is not None:
            server.arrives()
            self._seen("its guest has arrived")
        world.compute.has_arrived(server)
        self._hop()
        server.record.on_this_host = True
        world.count("live migration back")
        self._done()

    def _resize(self) -> None:
        """To a larger flavor, on the same host; confirmed at once."""
        server = self._server
        was_on = server.guest.active or server.record.vm_state == "active"
        self._takes()
        self._off()
        server.record.facts = flavor(LARGER)
        boot = bounds_of(server.record.facts).boot
        server.record.desired, server.record.recorded = Desired(boot), boot
        server.covered_by_migration = False
        if was_on:
            self._boot()
        else:
            server.define()
        self._moment()
        self._migration_ends()
        self._done("active" if was_on else "stopped")
