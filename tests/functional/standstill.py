# SPDX-License-Identifier: Apache-2.0
"""A cloud in one process is brought to a standstill, and goes on in a fork of that process.

A fork has the memory of its parent and none of its threads. So each thread is ended first, in the
way that its owner has for that, and begun anew in the fork.
"""

import dataclasses
import threading
import time
from concurrent import futures

import futurist
from nova import service
from oslo_db.sqlalchemy import engines

from lab.patience import LIMIT, Patience

# The name of a thread of oslo.messaging that polls for messages.
_LISTENS = "(_runner)"
_POOLS = (futures.ThreadPoolExecutor, futurist.ThreadPoolExecutor)


class MovesOn(Exception):
    """Something in the cloud has threads that do not end."""

    def __init__(self, threads):
        names = ", ".join(one.name for one in threads)
        super().__init__(f"these threads do not end: {names}; see own_cloud in copies.py")


@dataclasses.dataclass(frozen=True)
class Standstill:
    """What goes on in a fork: the services that were stopped."""

    services: tuple[service.Service, ...]

    def go_on(self):
        """Start in this process what was stopped in its parent."""
        for one in self.services:
            for server in _rpc_servers(one):
                server.start()
            one.servicegroup_api.join(one.host, one.topic, one)


class Movement:
    """What begins threads or keeps files open, from here on in this process."""

    def __init__(self, monkeypatch):
        self._services, self._engines, self._pools = [], [], []
        self._remember_services(monkeypatch)
        self._remember_engines(monkeypatch)
        for kind in _POOLS:
            self._remember_pools(monkeypatch, kind)

    def stop(self, within=LIMIT):
        """Stop it all.

        :param within: seconds for the work that is on its way
        :returns: the :class:`Standstill`
        :raises MovesOn: with the names of the threads that are left
        """
        running = [one for one in self._services if one.rpcserver._started]
        for one in running:
            one.tg.stop_timers()
            one.tg.timers.clear()
        # What is on its way may still call a service: so none is stopped before.
        _wait_until(within, lambda: [*_working(), *self._busy_pools()])
        for one in running:
            for server in _rpc_servers(one):
                server.stop()
                server.wait()
        for pool, init in self._pools:
            if not pool._shutdown:
                pool.shutdown(wait=True)
                init()
        left = _threads()
        if left:
            raise MovesOn(left)
        for engine in self._engines:
            engine.dispose()
        return Standstill(tuple(running))

    def _busy_pools(self):
        return [
            _ThreadsOf(pool) for pool, _ in self._pools if not pool._shutdown and _is_busy(pool)
        ]

    def _remember_services(self, monkeypatch):
        start = service.Service.start

        def remembered(one):
            self._services.append(one)
            start(one)

        monkeypatch.setattr(service.Service, "start", remembered)

    def _remember_engines(self, monkeypatch):
        create = engines.create_engine

        def remembered(*args, **kwargs):
            self._engines.append(create(*args, **kwargs))
            return self._engines[-1]

        monkeypatch.setattr(engines, "create_engine", remembered)

    def _remember_pools(self, monkeypatch, kind):
        """Made anew, a pool that was shut down takes work again."""
        init = kind.__init__

        def remembered(pool, *args, **kwargs):
            init(pool, *args, **kwargs)
            self._pools.append((pool, lambda: init(pool, *args, **kwargs)))

        monkeypatch.setattr(kind, "__init__", remembered)


def _rpc_servers(one):
    # nova-compute has a second one since Nova 34.
    second = getattr(one, "rpcserver_alt", None)
    return [one.rpcserver] if second is None else [one.rpcserver, second]


def _threads():
    return [one for one in threading.enumerate() if one is not threading.main_thread()]


def _wait_until(seconds, left):
    """Wait until there is nothing left.

    :raises MovesOn: with what is left after so many seconds
    """
    patience = Patience(seconds)
    while found := left():
        if patience.is_over():
            raise MovesOn(found)
        time.sleep(0.01)


def _working():
    """Threads that end by themselves: neither of pools nor of those who listen for RPC."""
    return [one for one in _threads() if not _is_of_a_pool(one) and not one.name.endswith(_LISTENS)]


class _ThreadsOf:
    """A pool, by the name that its threads have."""

    def __init__(self, pool):
        self.name = getattr(pool, "name", None) or getattr(pool, "_thread_name_prefix", repr(pool))


def _is_busy(pool):
    if isinstance(pool, futurist.ThreadPoolExecutor):
        return pool._work_queue.unfinished_tasks > 0
    return not pool._work_queue.empty() or pool._idle_semaphore._value < len(pool._threads)


def _is_of_a_pool(one):
    return isinstance(one, futurist._thread.ThreadWorker) or one in futures.thread._threads_queues
