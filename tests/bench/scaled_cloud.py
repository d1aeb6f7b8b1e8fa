"""Operations of automatic growth in the in-process cloud: what one change asks of others."""

import contextlib
import threading
import time

from nova_xloud.core.size import Size

SMALL, LARGE = Size(1, 512), Size(2, 768)
_SPECS = {"minimum_cpu": "1", "minimum_memory": "512", "xloud:autoscale": "on"}
# Seconds: a change takes a fraction of that.
_PATIENCE = 60


class ScaledServers:
    """Mixed into :class:`tests.bench.cloud.Cloud`: needs a worker that is extended."""

    @contextlib.contextmanager
    def automatic_growth(self):
        """1 vCPU and 256 MiB more, of a project with a quota, from the decision to the end."""
        with self._a_scaled_server() as uuid:
            yield lambda: self._change(uuid, LARGE)

    @contextlib.contextmanager
    def automatic_shrink(self):
        """1 vCPU and 256 MiB less."""
        with self._a_scaled_server() as uuid:
            self._change(uuid, LARGE)
            yield lambda: self._change(uuid, SMALL)

    @contextlib.contextmanager
    def round_at_rest(self):
        """A round in which nobody wants more, once Placement was asked what there is."""
        with self._a_scaled_server():
            self._in_thread(self._scaling.rounds.run_round)
            yield lambda: self._in_thread(self._scaling.rounds.run_round)

    @contextlib.contextmanager
    def room_asked(self):
        """What a round asks to know what the host has left, and what its servers have."""
        with self._a_scaled_server():
            rounds = self._scaling.rounds
            members = list(rounds._members.scaled().values())

            def ask():
                rounds._host_instances.allocations(members)
                rounds._guests.room(members[0].node)

            yield lambda: self._in_thread(ask)

    @contextlib.contextmanager
    def reconcile_pass(self):
        """A pass, as there is one a minute with and without automatic growth."""
        with self._a_scaled_server():
            yield lambda: self._in_thread(self._engine._reconciler.run)

    @property
    def _engine(self):
        return self.computes["host1"].manager.xloud

    @property
    def _scaling(self):
        return self._engine._scaling

    @contextlib.contextmanager
    def _a_scaled_server(self):
        # A limit that nobody reaches, so that it is counted.
        self.flags(cores=10_000, ram=10_000_000, group="quota")
        self.flags(reconcile_interval=0, group="xloud")
        # Rounds are made by hand.
        for compute in self.computes.values():
            compute.manager.xloud._scaling._loop.close()
        flavor = self._create_flavor(vcpu=4, memory_mb=1024, extra_spec=_SPECS)
        server = self._create_server(flavor_id=flavor, networks="none", host="host1")
        self._in_thread(self._engine._reconciler.run)
        self._wait_until_idle(server["id"])
        yield server["id"]
        self._delete_server(server)

    def _change(self, uuid, size):
        rounds = self._scaling.rounds
        one = rounds._members.scaled()[uuid]

        def act():
            admission = rounds._requests._actor.act(one, size)
            rounds._members.admitted(one, size, admission.generation)

        self._in_thread(act)
        self._wait_until_idle(uuid)

    def _wait_until_idle(self, uuid):
        until = time.monotonic() + _PATIENCE
        while self._engine._worker.is_busy(uuid):
            if time.monotonic() > until:
                raise TimeoutError(f"a run of {uuid} has not ended after {_PATIENCE} s")
            time.sleep(0.02)

    def _in_thread(self, job):
        """Do a job in a thread with the name of one of the engine's, and raise what it raises."""
        failed = []

        def work():
            try:
                job()
            except Exception as error:  # noqa: BLE001
                failed.append(error)

        thread = threading.Thread(target=work, name="xloud-autoscale-act")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
