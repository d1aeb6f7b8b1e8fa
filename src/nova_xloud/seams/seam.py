# SPDX-License-Identifier: Apache-2.0
"""Define a seam: one point of stock Nova that nova-xloud extends or calls, as data."""

from __future__ import annotations

import enum
import importlib
import inspect
from dataclasses import dataclass
from typing import Any


class Kind(enum.Enum):
    """How a seam is used, from the least to the most intrusive."""

    CALL = "we call it; nothing is changed"
    APPEND = "our entries are added to a list"
    ITEM = "an entry of a mapping is replaced"
    REGISTER = "our class is registered in place of the one of the same name"
    SUBCLASS = "our subclass is put where Nova looks the class up"
    WRAP = "our function is called around Nova's"


@dataclass(frozen=True, slots=True)
class Seam:
    """A point of stock Nova that nova-xloud extends or calls: one row of :mod:`.table`.

    :ivar target: ``module:attribute.path`` in Nova
    :ivar kind: how the target is used
    :ivar expect: for a function or method, its first parameters as ``a, b, c``; for anything
        else the name of its type, such as ``class``, ``tuple`` or ``dict``
    :ivar why: what nova-xloud does there, as text for people
    :ivar extension: ``module:attribute`` in nova-xloud. It is the function that wraps the target
        (``WRAP``), a function that returns the entries (``APPEND``), a function that takes Nova's
        class and returns the new one (``REGISTER``), or the new value itself (``ITEM``,
        ``SUBCLASS``); None for ``CALL``
    :ivar key: the key of the entry that is replaced, for ``ITEM``; else None
    :ivar since: the major number of the first Nova release for which the row holds (34 for Nova
        34.0); None: it holds for every release before ``until``
    :ivar until: the major number of the first Nova release for which the row no longer holds; None:
        there is none
    """

    target: str
    kind: Kind
    expect: str
    why: str
    extension: str | None = None
    key: str | None = None
    since: int | None = None
    until: int | None = None

    def is_in(self, release: int) -> bool:
        """Return whether the row holds for a Nova release, given as 34 for Nova 34.0.

        It holds from ``since`` on, and no longer from ``until`` on.
        """
        return (self.since or 0) <= release and (self.until is None or release < self.until)

    def misfit(self) -> str | None:
        """Return why the row does not fit the installed Nova, in one line; None if it fits.

        A row does not fit if the target or its key is missing, if the target is not as ``expect``
        says, or if the extension cannot be loaded. The modules of both are imported.
        """
        try:
            _, _, found = resolve(self.target)
        except (ImportError, AttributeError) as error:
            return f"{self.target}: expected ({self.expect}), found nothing ({error})"
        if self.key is not None and self.key not in found:
            return f"{self.target}: expected an entry {self.key!r}, found {sorted(found)}"
        shape = _shape(found)
        if shape != self.expect and not shape.startswith(f"{self.expect}, "):
            return f"{self.target}: expected ({self.expect}), found ({shape})"
        return self._extension_missing()

    def _extension_missing(self) -> str | None:
        try:
            if self.extension is not None:
                resolve(self.extension)
        except (ImportError, AttributeError) as error:
            # The extension imports something of Nova that has no row of its own.
            expected = f"{self.target}: expected {self.extension} to load"
            return f"{expected}, found that it does not ({error})"
        return None


def resolve(target: str) -> tuple[Any, str, Any]:
    """Import ``module:a.b`` and return ``a``, the name ``"b"``, and ``b``.

    For ``module:b`` the first is the module.

    :raises ImportError: the module cannot be imported
    :raises AttributeError: ``a`` or ``b`` does not exist
    """
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, name, getattr(owner, name)


def _shape(found: Any) -> str:
    if inspect.isclass(found):
        return "class"
    if callable(found):
        # As the signature prints them, but names and stars only.
        parameters = inspect.signature(found).parameters.values()
        return ", ".join(str(p.replace(annotation=p.empty, default=p.empty)) for p in parameters)
    return type(found).__name__
