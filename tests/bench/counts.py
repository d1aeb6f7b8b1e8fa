"""What an operation asks of others, exactly: SQL statements, RPC calls, Placement requests."""

import collections
import contextlib
import re
import threading

import fixtures
import oslo_messaging.transport
import sqlalchemy
from nova.scheduler.client import report
from sqlalchemy import event

# Not what the fixtures' SQLite adds, as BEGIN.
_STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# Not the parenthesis of a subquery, but what is in it.
_TABLE = re.compile(r"(?:FROM|INTO|UPDATE)\s+(\w+)")
_REQUESTS = ("get", "post", "put", "delete")


class Counts(fixtures.Fixture):
    """Counts while :meth:`counting`, in all threads.

    Placement answers in the same process: its own SQL is not counted, the requests to it are.
    """

    def _setUp(self):
        self._lock = threading.Lock()
        self._inside = threading.local()
        self._counted = None
        event.listen(sqlalchemy.Engine, "before_cursor_execute", self._statement)
        self.addCleanup(event.remove, sqlalchemy.Engine, "before_cursor_execute", self._statement)
        self._around(oslo_messaging.transport.Transport, "_send", self._message)
        for method in _REQUESTS:
            self._around(report.SchedulerReportClient, method, self._request)

    @contextlib.contextmanager
    def counting(self):
        """A ``Counter`` of what happens meanwhile, by names as ``"sql SELECT instances"``."""
        self._counted = collections.Counter()
        try:
            yield self._counted
        finally:
            self._counted = None

    def count(self, what):
        """Count something of a name of its own."""
        with self._lock:
            if self._counted is not None:
                self._counted[what] += 1

    def _around(self, owner, name, before):
        original = getattr(owner, name)

        def around(*args, **kwargs):
            with before(name, *args):
                return original(*args, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(f"{owner.__module__}.{owner.__name__}.{name}", around))

    def _statement(self, connection, cursor, statement, *rest):
        verb = statement.split(None, 1)[0]
        if verb in _STATEMENTS and not getattr(self._inside, "placement", False):
            table = _TABLE.search(statement)
            self.count(f"sql {verb} {table.group(1) if table else ''}".rstrip())

    @contextlib.contextmanager
    def _message(self, name, transport, target, context, message, *rest):
        self.count(f"rpc {message['method']}")
        yield

    @contextlib.contextmanager
    def _request(self, name, client, url, *rest):
        self.count(f"placement {name.upper()} {url.split('?')[0].split('/')[1]}")
        self._inside.placement = True
        try:
            yield
        finally:
            self._inside.placement = False
