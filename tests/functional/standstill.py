# SPDX-License-Identifier: Apache-2.0
"""A cloud in one process is brought to a standstill, and goes on in a fork of that process.

A fork has the memory of its parent and none of its parent's threads. So each thread is ended
before the fork, by the means of what has started it, and started anew in the fork.
"""

import dataclasses
import functools
import threading
import time
from concurrent import futures

import futurist
from nova import service
from oslo_db.sqlalchemy import engines
from oslo_messaging._drivers import impl_fake

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
    """Keeps track of what starts threads or keeps files open in this process from now on."""

    def __init__(self, monkeypatch):
        self._services, self._engines, self._pools = [], [], []
        # Grows with each message that was sent, each piece of work that a pool was given, and each
        # thread that was started.
        self._begun = []
        self._messages = _Messages(monkeypatch)
        self._count(monkeypatch, impl_fake.FakeExchange, "deliver_message")
        self._count(monkeypatch, threading.Thread, "start")
        self._remember_services(monkeypatch)
        self._remember_engines(monkeypatch)
        for kind in _POOLS:
            self._remember_pools(monkeypatch, kind)
            self._count(monkeypatch, kind, "submit")

    def stop(self, within=LIMIT):
        """Stop all services and pools, and close all connections to databases.

        :param within: seconds for the work that is on its way
        :returns: the :class:`Standstill`
        :raises MovesOn: with the names of the threads that are left
        """
        running = [one for one in self._services if one.rpcserver._started]
        for one in running:
            one.tg.stop_timers()
            one.tg.timers.clear()
        # What is on its way may still call a service: so none is stopped before.
        self.come_to_rest(within)
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

    def come_to_rest(self, within=LIMIT):
        """Wait until no thread works, and no message is on its way to one.

        :raises MovesOn: with what still works after so many seconds
        """
        patience = Patience(within)
        while True:
            begun = len(self._begun)
            found = [*self._messages.held_by(), *_working(), *self._busy_pools()]
            # Threads are asked one after the other, so work may have passed from one that was not
            # asked yet to one that was found idle: then the count has grown.
            if not found and len(self._begun) == begun:
                return
            if patience.is_over():
                raise MovesOn(found)
            time.sleep(0.01)

    def _count(self, monkeypatch, kind, name):
        """Count the calls of a method, each when it has had its effect."""
        method = getattr(kind, name)

        @functools.wraps(method)
        def counted(*args, **kwargs):
            try:
                return method(*args, **kwargs)
            finally:
                self._begun.append(name)

        monkeypatch.setattr(kind, name, counted)

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
        """Keep each pool with its arguments: initialised again, it takes work after a shutdown."""
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


class _Messages:
    """Messages of oslo.messaging's fake driver, which its listeners poll for every 0.05 s."""

    def __init__(self, monkeypatch):
        # By thread: the queues that it polls; and the threads whose last poll found a message, that
        # they have passed on when they poll again.
        self._queues, self._in_hand = {}, set()
        poll = impl_fake.FakeExchange.poll

        def noted(exchange, target, pool):
            listener = threading.current_thread()
            with exchange._queues_lock:
                taken = poll(exchange, target, pool)
                self._queues.setdefault(listener, {})[exchange, target, pool] = None
                _, message, _, _ = taken
                (self._in_hand.discard if message is None else self._in_hand.add)(listener)
            return taken

        monkeypatch.setattr(impl_fake.FakeExchange, "poll", noted)

    def held_by(self):
        """Return the listening threads that have a message, or find one when they poll next."""
        return [one for one in _threads() if _listens(one) and self._is_on_its_way_to(one)]

    def _is_on_its_way_to(self, listener):
        # A listener that has not polled yet may find a message.
        return listener not in self._queues or any(
            self._is_in(listener, *queue) for queue in list(self._queues[listener])
        )

    def _is_in(self, listener, exchange, target, pool):
        with exchange._queues_lock:
            if target.server:
                queue = exchange._get_server_queue(target.topic, target.server)
            else:
                queue = exchange._get_topic_queue(target.topic, pool)
            return bool(queue) or listener in self._in_hand


def _listens(one):
    return one.name.endswith(_LISTENS)


def _working():
    """Return the threads that end by themselves: those of no pool that do not listen for RPC."""
    return [one for one in _threads() if not _is_of_a_pool(one) and not _listens(one)]


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
