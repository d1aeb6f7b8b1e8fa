"""The host of the measure of passes: what one asks of others, and how long each takes to say it."""

import collections
import contextlib
import tempfile
import threading
import time
from unittest import mock

import sqlalchemy
from nova.scheduler.client import report
from nova.tests.fixtures import libvirt as fakelibvirt
from sqlalchemy import event

from nova_xloud.adapters.host_instances import NovaHostInstances
from nova_xloud.testing import fake_virdomain
from tests.bench.host import Host

_DOMAIN_CALLS = ("XMLDesc", "isPersistent")
_ANSWERS = {"domain_stats": "libvirt", "allocations": "Placement", "records": "database"}

_host = None


def start(placement):
    """Have a host without servers."""
    global _host
    _host = Host(tempfile.mkdtemp(), placement)


def grow_to(count, stock):
    """Have so many servers, all of them in the state that they shall be in."""
    _host.add(count - len(_host.instances), stock=stock)
    # Until nothing is found any more, and what is to be read once has been.
    for _ in range(10):
        if not _one_pass():
            return
        _host.wait_until_idle()
    raise RuntimeError("passes find something to do again and again")


def take(count):
    """So many passes: of each ``{"whole": seconds, "libvirt": seconds, ...}``."""
    return [_timed() for _ in range(count)]


def counted():
    """What one pass asks: ``{"libvirt, all domains": 1, "Placement": 1, ...}``."""
    with _counting() as counts:
        _one_pass()
    return dict(counts)


def _one_pass():
    return _host.engine._reconciler.run()


def _timed():
    took = dict.fromkeys(_ANSWERS.values(), 0.0)

    def around(name, method):
        def call(*args):
            began = time.perf_counter()
            try:
                return method(*args)
            finally:
                took[_ANSWERS[name]] += time.perf_counter() - began

        return call

    with contextlib.ExitStack() as stack:
        for name in _ANSWERS:
            timed = around(name, getattr(NovaHostInstances, name))
            stack.enter_context(mock.patch.object(NovaHostInstances, name, timed))
        began, cpu = time.perf_counter(), time.process_time()
        found = _one_pass()
        took |= {"whole": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    if found:
        raise RuntimeError(f"a pass over a host at rest has found {found}")
    return took


@contextlib.contextmanager
def _counting():
    counts, mine = collections.Counter(), threading.current_thread()

    def statement(connection, cursor, text, *rest):
        if threading.current_thread() is mine:
            verb = text.split(None, 1)[0]
            counts["database, reads" if verb == "SELECT" else f"database, {verb}"] += 1

    def around(what, method):
        def call(*args, **kwargs):
            counts[what] += 1
            return method(*args, **kwargs)

        return call

    with contextlib.ExitStack() as stack:
        whole = around("libvirt, all domains", fakelibvirt.Connection.getAllDomainStats)
        stack.enter_context(mock.patch.object(fakelibvirt.Connection, "getAllDomainStats", whole))
        for name in _DOMAIN_CALLS:
            one = around("libvirt, one domain", getattr(fake_virdomain.VirDomainFace, name))
            stack.enter_context(mock.patch.object(fake_virdomain.VirDomainFace, name, one))
        for name in ("get", "put", "post", "delete"):
            asked = around(
                f"Placement, {name.upper()}", getattr(report.SchedulerReportClient, name)
            )
            stack.enter_context(mock.patch.object(report.SchedulerReportClient, name, asked))
        event.listen(sqlalchemy.Engine, "before_cursor_execute", statement)
        stack.callback(event.remove, sqlalchemy.Engine, "before_cursor_execute", statement)
        yield counts
