# SPDX-License-Identifier: Apache-2.0
"""What is the same in each functional test of a process is worked out once.

Each test still has a cloud of its own: no fixture is left out, and no database, service or
application goes from one test to the next. What is kept are answers that follow from their
arguments alone, and the time in which the garbage collector looks at what is never garbage.
"""

import functools
import gc

from oslo_db.sqlalchemy import engines
from oslo_policy import policy
from sqlalchemy import pool
from sqlalchemy.util import LRUCache

# Objects made since the youngest were last collected. Python's own 700 is for programs that keep
# little.
YOUNG = 50_000

# Statements. A run of all functional tests compiles about 1,000.
COMPILED = 5_000


def set_aside_what_is_imported():
    """Keep the collector from all that is there; call this once the tests are imported.

    These are some 300,000 objects, at each of which every full collection would look.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


@functools.cache
def make_fixtures_cheaper():
    """For the rest of the process."""
    _keep_compiled_sql()
    _keep_connections()
    _keep_parsed_policies()


class _CompiledSql:
    """SQLAlchemy's cache of compiled statements, for the engines of all tests.

    SQLAlchemy keeps them by dialect *object*, of which each engine has its own, and a test has
    four engines: each of its statements was compiled anew. Here they are kept by what a dialect
    is. The engines keep their dialects, for on these hang the listeners of each.
    """

    def __init__(self):
        self._kept = LRUCache(COMPILED)

    def get(self, key):
        return self._kept.get(self._of_any_engine(key))

    def __setitem__(self, key, compiled):
        self._kept[self._of_any_engine(key)] = compiled

    @staticmethod
    def _of_any_engine(key):
        dialect, *statement = key
        return type(dialect), dialect.server_version_info, *statement


def _keep_compiled_sql():
    create, compiled = engines.create_engine, _CompiledSql()

    @functools.wraps(create)
    def create_engine(*args, **kwargs):
        engine = create(*args, **kwargs)
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    engines.create_engine = create_engine


def _keep_connections():
    """Keep the connections to SQLite's files, which end with their engine.

    oslo.db makes one for each transaction, and each new one reads the whole schema. No file has to
    survive a power failure either.
    """
    init, create = engines._init_connection_args, engines.create_engine

    def init_connection_args(url, engine_args, options):
        init(url, engine_args, options)
        if engine_args.get("poolclass") is pool.NullPool:
            engine_args |= {"poolclass": pool.QueuePool, "max_overflow": -1}

    @functools.wraps(create)
    def create_engine(*args, **kwargs):
        return create(*args, **kwargs | {"sqlite_synchronous": False})

    engines._init_connection_args, engines.create_engine = init_connection_args, create_engine


def _keep_parsed_policies():
    """Nova's fixture writes the same YAML for each test, and each is parsed twice."""
    parse = policy.parse_file_contents
    parsed = functools.lru_cache(maxsize=64)(parse)

    @functools.wraps(parse)
    def parse_file_contents(data):
        return dict(parsed(data))

    policy.parse_file_contents = parse_file_contents
