# SPDX-License-Identifier: Apache-2.0
"""What is kept from one functional test to the next is no more than an answer."""

import sqlalchemy
from oslo_db.sqlalchemy import engines
from oslo_policy import policy
from sqlalchemy import event

ROWS = sqlalchemy.table("rows", sqlalchemy.column("id"))


def _engine_with_rows(*ids):
    engine = engines.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE rows (id INTEGER)"))
        for one in ids:
            connection.execute(sqlalchemy.insert(ROWS).values(id=one))
    return engine


def _ask(engine, at_least):
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(ROWS.c.id).where(ROWS.c.id >= at_least))
        return found.context.compiled, found.scalars().all()


def test_a_statement_is_compiled_for_one_engine_and_asked_of_each():
    compiled, first = _ask(_engine_with_rows(1, 2), at_least=1)
    compiled_again, second = _ask(_engine_with_rows(2, 3), at_least=3)
    assert compiled_again is compiled
    assert (first, second) == ([1, 2], [3])


def test_who_listens_to_an_engine_hears_of_no_other():
    told = []
    listened, other = _engine_with_rows(1), _engine_with_rows(1)
    event.listen(listened, "before_cursor_execute", lambda *args: told.append(args[2]))
    event.listen(listened, "do_execute", lambda *args: told.append("its dialect"))
    _ask(other, at_least=1)
    assert told == []
    _ask(listened, at_least=1)
    assert "its dialect" in told


def test_who_changes_parsed_policies_changes_them_for_himself():
    policy.parse_file_contents("a: role:admin")["b"] = "@"
    assert policy.parse_file_contents("a: role:admin") == {"a": "role:admin"}
