"""An SQLAlchemy engine plugin that lets several processes write to one SQLite file.

oslo.db begins every transaction with a plain BEGIN. If such a transaction has read, and another
process has written since, SQLite refuses its first write at once with "database is locked",
whatever the busy timeout is, and the request that Nova was working on fails. With this plugin a
transaction begins at its first write, with BEGIN IMMEDIATE, which waits for its turn. What is read
before that is read as committed, as on MySQL or PostgreSQL with READ COMMITTED.

This file is copied to folders where services and commands find it (see database.install_plugin), as
they cannot import the lab's package. A database URL names it: ``sqlite:///...?plugin=lab_sqlite``.
"""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, CreateEnginePlugin, Engine

READS = ("SELECT", "PRAGMA", "EXPLAIN", "WITH", "VALUES", "RELEASE", "ROLLBACK")


class LabSqlite(CreateEnginePlugin):
    """The plugin, registered under ``sqlalchemy.plugins`` as ``lab_sqlite``."""

    def update_url(self, url: URL) -> URL:
        """Return the URL unchanged."""
        return url

    def engine_created(self, engine: Engine) -> None:
        """Register the listeners that make a transaction begin at its first write."""
        event.listen(engine, "begin", _do_not_begin_yet)
        event.listen(engine, "before_cursor_execute", _begin_before_the_first_write)


def _do_not_begin_yet(connection: Any) -> None:
    # oslo.db's listener, which runs after this one, executes BEGIN unless it finds this mark.
    connection.info["in_transaction"] = True


def _begin_before_the_first_write(
    connection: Any, cursor: Any, statement: str, *_arguments: object
) -> None:
    writes = not statement.lstrip().upper().startswith(READS)
    if writes and not connection.connection.dbapi_connection.in_transaction:
        cursor.execute("BEGIN IMMEDIATE")
