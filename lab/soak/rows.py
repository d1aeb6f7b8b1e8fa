"""Rows of the services' databases, by table, and what nova-xloud keeps of each server there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from lab.layout import Layout
from lab.services import database

DATABASES = ("nova", "nova_api", "nova_cell0", "placement")
# Adjustments are counted apart from Nova's own actions.
ADJUSTMENTS = "nova.instance_actions (xloud_adjust)"
ADJUSTMENT_EVENTS = "nova.instance_actions_events (xloud_adjust)"

_ACTIONS = "SELECT count(*) FROM instance_actions WHERE action = 'xloud_adjust'"
_EVENTS = (
    "SELECT count(*) FROM instance_actions_events JOIN instance_actions"
    " ON instance_actions.id = instance_actions_events.action_id"
    " WHERE instance_actions.action = 'xloud_adjust'"
)
_OPEN = _EVENTS + " AND instance_actions_events.finish_time IS NULL"
_RECORDS = (
    "SELECT count(*), sum(length(key) + length(value)) FROM instance_system_metadata"
    " WHERE key LIKE 'xloud\\_%' ESCAPE '\\' AND deleted = 0 GROUP BY instance_uuid"
)


def rows(layout: Layout) -> dict[str, int]:
    """Return how many rows each table has that has any, by ``<database>.<table>``.

    Actions of adjustments and their events are not counted with Nova's own, but apart.
    """
    found: dict[str, int] = {}
    for name in DATABASES:
        with _opened(layout, name) as connection:
            for table in _tables(connection):
                count = _number(connection, f'SELECT count(*) FROM "{table}"')
                if count:
                    found[f"{name}.{table}"] = count
            if name == "nova":
                for whole, part, question in (
                    ("nova.instance_actions", ADJUSTMENTS, _ACTIONS),
                    ("nova.instance_actions_events", ADJUSTMENT_EVENTS, _EVENTS),
                ):
                    found[part] = _number(connection, question)
                    found[whole] = found.get(whole, 0) - found[part]
    return found


def records(layout: Layout) -> dict[str, int]:
    """Return the most that nova-xloud keeps of one server that exists: keys, and their bytes."""
    with _opened(layout, "nova") as connection:
        each = connection.execute(_RECORDS).fetchall()
    return {
        "xloud_* keys of one server, at most": max((keys for keys, _ in each), default=0),
        "bytes of these keys, at most": max((size for _, size in each), default=0),
    }


def open_events(layout: Layout) -> int:
    """Return how many events of adjustments have no end."""
    with _opened(layout, "nova") as connection:
        return _number(connection, _OPEN)


@contextmanager
def _opened(layout: Layout, name: str) -> Iterator[sqlite3.Connection]:
    uri = f"file:{database.path(layout, name)}?mode=ro"
    seconds = float(database.BUSY_SECONDS)
    with closing(sqlite3.connect(uri, uri=True, timeout=seconds)) as connection:
        yield connection


def _tables(connection: sqlite3.Connection) -> list[str]:
    question = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return [name for (name,) in connection.execute(question)]


def _number(connection: sqlite3.Connection, question: str) -> int:
    (number,) = connection.execute(question).fetchone()
    return int(number)
