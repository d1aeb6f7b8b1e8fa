# SPDX-License-Identifier: Apache-2.0
"""Nova's databases: the one of the API, and that of each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import nova.conf
from nova import context as nova_context
from nova import exception, objects
from oslo_db import exception as db_exc
from sqlalchemy import exc as sql_exc

from nova_xloud.audit.report import Unread

T = TypeVar("T")

# A wrong password, a missing driver, a schema that is not there, a cell that is away.
DATABASE_ERRORS = (
    db_exc.DBError,
    db_exc.CantStartEngineError,
    sql_exc.SQLAlchemyError,
    exception.NovaException,
    ImportError,
)

_WHERE = (
    "run this where nova-manage runs, with the nova.conf that has [{}] connection (--config-file)"
)


class Cells:
    """All cells.

    A cell that cannot be read is left out from then on and told of in ``unread``.

    :ivar context: an admin's ``nova.context.RequestContext``, targeted at no cell
    :raises Unread: the API database cannot be read, or knows no cell, or there is no [database]
    """

    def __init__(self, context: Any) -> None:
        if nova.conf.CONF.database.connection is None:
            raise Unread(
                "nova.conf has no [database] connection, by which Nova's queries tell what kind of "
                "database they are for",
                _WHERE.format("database"),
            )
        self.context = context
        self.unread: list[Unread] = []
        self._contexts: dict[str, Any] = {}
        for cell in self.api_database(objects.CellMappingList.get_all):
            try:
                with nova_context.target_cell(context, cell) as targeted:
                    self._contexts[cell.identity] = targeted
            except DATABASE_ERRORS as error:
                self._leave_out(cell.identity, error)
        if not (self._contexts or self.unread):
            raise Unread(
                "the API database knows no cell",
                f"{_WHERE.format('api_database')}, after nova-manage cell_v2 create_cell",
            )

    @property
    def complete(self) -> bool:
        """Whether every cell could be read so far."""
        return not self.unread

    def api_database(self, read: Callable[[Any], T]) -> T:
        """What ``read`` reads there, given a context.

        :raises Unread: it cannot
        """
        try:
            return read(self.context)
        except DATABASE_ERRORS as error:
            raise Unread(
                f"the API database could not be read: {_first_line(error)}",
                f"{_WHERE.format('api_database')}, after nova-manage api_db sync",
            ) from error

    def every(self, read: Callable[[Any], Iterable[T]]) -> Iterator[T]:
        """What ``read`` reads in each cell, given a context that is targeted at it."""
        for identity, context in list(self._contexts.items()):
            try:
                yield from read(context)
            except DATABASE_ERRORS as error:
                del self._contexts[identity]
                self._leave_out(identity, error)

    def _leave_out(self, identity: str, error: Exception) -> None:
        self.unread.append(
            Unread(
                f"cell {identity} could not be read: {_first_line(error)}",
                "compare nova-manage cell_v2 list_cells with where its database is",
            )
        )


def _first_line(error: Exception) -> str:
    """SQLAlchemy adds the statement, and where to read about it."""
    return str(error).partition("\n")[0]
