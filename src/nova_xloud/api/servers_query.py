# SPDX-License-Identifier: Apache-2.0
"""Read the query of ``GET /os-xloud-servers``: which servers are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oslo_utils import strutils, uuidutils

from nova_xloud.errors import Invalid

# No limit has more digits than this; Nova itself returns at most [api] max_limit servers at once.
_MOST_DIGITS = 10
# The width of the columns that have names of hosts and IDs of projects in Nova's database.
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class ServersQuery:
    """Which servers are asked for; None, or False, where the query does not say.

    :ivar project_id: the project that the servers belong to; None: that of the caller's token
    :ivar all_projects: whether servers of all projects are asked for
    :ivar host: the compute host that the servers are on
    :ivar converged: whether the recorded condition ``Converged`` is true
    :ivar limit: how many servers a page has at most
    :ivar marker: the ID of the server after which the page begins
    """

    project_id: str | None = None
    all_projects: bool = False
    host: str | None = None
    converged: bool | None = None
    limit: int | None = None
    marker: str | None = None

    def is_of_own_project(self, project_id: str | None) -> bool:
        """Return whether only servers of ``project_id`` are asked for, and not by their host."""
        is_own = self.project_id in (None, project_id)
        return is_own and not self.all_projects and self.host is None


# The parameters of the query.
NAMES = tuple(ServersQuery.__dataclass_fields__)


def read(params: Mapping[str, Sequence[str]]) -> ServersQuery:
    """Return what a query asks for.

    :param params: the values of each parameter, as the query has them
    :raises Invalid: a parameter is given twice, is empty or cannot be read, or two of them exclude
        each other
    """
    given = {name: _only(name, values) for name, values in params.items() if values}
    query = ServersQuery(
        project_id=_name("project_id", given.get("project_id")),
        all_projects=bool(_boolean("all_projects", given.get("all_projects"))),
        host=_name("host", given.get("host")),
        converged=_boolean("converged", given.get("converged")),
        limit=_count("limit", given.get("limit")),
        marker=given.get("marker"),
    )
    if query.marker is not None and not uuidutils.is_uuid_like(query.marker):
        raise no_such_marker(query.marker)
    if query.all_projects and query.project_id is not None:
        raise Invalid(
            f"project_id is {query.project_id!r}, and all_projects is true; leave one of the two "
            f"out"
        )
    return query


def no_such_marker(marker: str) -> Invalid:
    """Return the refusal of a ``marker`` that is no server which the caller may list."""
    return Invalid(
        f"marker is {marker!r}, and there is no server with this ID; leave the marker out to begin "
        f"with the first page"
    )


def _only(name: str, values: Sequence[str]) -> str:
    if len(values) > 1:
        raise Invalid(f"{name} is given {len(values)} times, as {list(values)!r}; give it once")
    if not values[0]:
        raise Invalid(f"{name} is ''; give it a value, or leave it out")
    return values[0]


def _name(name: str, text: str | None) -> str | None:
    """Return ``text``, which has to be a text that the database can compare with its own.

    MySQL may refuse a character beyond its charset in a query, and PostgreSQL refuses a NUL; Nova
    would answer 500. No host and no project has such a name.
    """
    if text is None or (text.isascii() and text.isprintable() and len(text) <= _LONGEST_NAME):
        return text
    raise Invalid(
        f"{name} is {text!r}; write at most {_LONGEST_NAME} printable ASCII characters, or leave "
        f"it out"
    )


def _boolean(name: str, text: str | None) -> bool | None:
    if text is None:
        return None
    try:
        if text != text.strip():
            # oslo.utils would leave out spaces and line breaks, which the schema of a body refuses.
            raise ValueError(text)
        return bool(strutils.bool_from_string(text, strict=True))
    except ValueError as error:
        raise Invalid(f"{name} is {text!r}; write true or false, or leave it out") from error


def _count(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text)):
        raise Invalid(
            f"{name} is {text!r}; write a whole number from 1, of at most {_MOST_DIGITS} digits, "
            f"or leave it out"
        )
    return int(text)
