# SPDX-License-Identifier: Apache-2.0
"""Read access to Nova's databases: the API database and the database of each cell."""

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
    """All cells of a cloud.

    A cell that could not be read is recorded in ``unread``, and :meth:`every` leaves it out from
    then on.

    :ivar context: an admin's ``nova.context.RequestContext``, targeted at no cell
    :ivar unread: one error for each cell that could not be read
    :raises Unread: the API database cannot be read or has no cell, or nova.conf has no
        ``[database] connection``
    """

    def __init__(self, context: Any) -> None:
        if nova.conf.CONF.database.connection is None:
            raise Unread(
                "nova.conf has no [database] connection, which Nova needs to know the kind of its "
                "databases",
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
                "the API database has no cell mapping",
                f"{_WHERE.format('api_database')}, after nova-manage cell_v2 create_cell",
            )

    @property
    def complete(self) -> bool:
        """Whether every cell could be read so far."""
        return not self.unread

    def api_database(self, read: Callable[[Any], T]) -> T:
        """Call ``read``, which reads from Nova's API database, and return its result.

        :param read: is called with a context that is targeted at no cell
        :raises Unread: the API database cannot be read
        """
        try:
            return read(self.context)
        except DATABASE_ERRORS as error:
            raise Unread(
                f"the API database could not be read: {_first_line(error)}",
                f"check that it runs and has its tables (nova-manage api_db sync), and "
                f"{_WHERE.format('api_database')}",
            ) from error

    def every(self, read: Callable[[Any], Iterable[T]]) -> Iterator[T]:
        """Call ``read`` for each cell, and yield the items that it returns, cell by cell.

        If a cell cannot be read, the error is recorded in ``unread``, and the cell is left out from
        then on. Items of the cell that were read before the error have been yielded already.

        :param read: is called with a context that is targeted at the cell
        """
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
                "check that the database of the cell runs, and that nova-manage cell_v2 list_cells "
                "shows the right connection",
            )
        )


def _first_line(error: Exception) -> str:
    """Return the first line of an error's text; SQLAlchemy adds the statement and a link."""
    return str(error).partition("\n")[0]
