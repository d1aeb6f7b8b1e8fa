# SPDX-License-Identifier: Apache-2.0
"""The files that Horizon reads, as links to those of this package."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import xloud_dashboard
from xloud_dashboard.install.horizon import Horizon, InstallError

PACKAGE = Path(xloud_dashboard.__file__).resolve().parent


class State(enum.Enum):
    """What is at the place of a link."""

    MISSING = "is missing"
    RIGHT = "is there"
    # A link of another version or place of the package, or one that leads nowhere.
    STALE = "leads to another xloud_dashboard"
    FOREIGN = "is not a link to xloud_dashboard"


@dataclass(frozen=True)
class Change:
    """What was done at one place, so that it can be undone.

    :ivar at: the place of a link
    :ivar was: where the link led before; None if there was none
    """

    at: Path
    was: Path | None

    def undo(self) -> None:
        """Put back what was there before.

        :raises InstallError: the folder cannot be written
        """
        _lead(self.at, self.was)


@dataclass(frozen=True)
class Link:
    """One file that Horizon reads.

    :ivar at: where Horizon reads it
    :ivar to: the file of this package
    """

    at: Path
    to: Path

    @property
    def state(self) -> State:
        """What is at ``at`` now."""
        if not self.at.is_symlink():
            return State.FOREIGN if self.at.exists() else State.MISSING
        if self.at.readlink() == self.to:
            return State.RIGHT
        return State.STALE if _is_ours(self.at) else State.FOREIGN

    def make(self) -> Change | None:
        """Make the link, or lead it to this package; return the change, or None if it is right.

        :raises InstallError: there is something else, or the folder cannot be written
        """
        state = self.state
        if state is State.RIGHT:
            return None
        if state is State.FOREIGN:
            raise _foreign([self.at])
        was = self.at.readlink() if state is State.STALE else None
        _lead(self.at, self.to)
        return Change(self.at, was)


def wanted(horizon: Horizon) -> Iterator[Link]:
    """Yield the links that the plugin needs in ``horizon``."""
    folders = {"enabled": horizon.enabled, "local_settings.d": horizon.local_settings}
    for name, folder in folders.items():
        for path in sorted((PACKAGE / name).glob("_*.py")):
            if path.name != "__init__.py":
                yield Link(folder / path.name, path)


def require_places(horizon: Horizon) -> None:
    """Raise unless each link that the plugin needs can be made; nothing is changed.

    :raises InstallError: there is something else at a link's place; it names all of these places
    """
    foreign = [link.at for link in wanted(horizon) if link.state is State.FOREIGN]
    if foreign:
        raise _foreign(foreign)


def drop(path: Path) -> Change:
    """Remove the link at ``path``, and return the change.

    :raises InstallError: the folder cannot be written
    """
    was = path.readlink()
    unlink(path)
    return Change(path, was)


def left_over(horizon: Horizon) -> list[Path]:
    """Return links to an xloud_dashboard that the plugin does not need: of another version."""
    needed = {link.at for link in wanted(horizon)}
    return [path for path in _of_ours(horizon) if path not in needed]


def remove(horizon: Horizon) -> list[Path]:
    """Remove every link to an xloud_dashboard from ``horizon``, and return what was removed.

    :raises InstallError: the folder cannot be written
    """
    found = list(_of_ours(horizon))
    for path in found:
        unlink(path)
    return found


def unlink(path: Path) -> None:
    """Remove one link.

    :raises InstallError: the folder cannot be written
    """
    try:
        path.unlink()
    except OSError as error:
        raise _not_written(path, error) from error


def _lead(at: Path, to: Path | None) -> None:
    """Make a link at ``at`` that leads to ``to``, in place of any link there; None: no link."""
    try:
        at.unlink(missing_ok=True)
        if to is not None:
            at.parent.mkdir(exist_ok=True)
            at.symlink_to(to)
    except OSError as error:
        raise _not_written(at, error) from error


def _of_ours(horizon: Horizon) -> Iterator[Path]:
    for folder in (horizon.enabled, horizon.local_settings):
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if _is_ours(path))


def _is_ours(path: Path) -> bool:
    """Return whether ``path`` is a link to the folder of a package that belongs there.

    An operator's own files may be in a folder of that name too.
    """
    return path.is_symlink() and path.readlink().parts[-3:-1] == (
        "xloud_dashboard",
        path.parent.name,
    )


def _foreign(paths: Sequence[Path]) -> InstallError:
    return InstallError(
        "these are there already, and are not links to xloud_dashboard: "
        f"{', '.join(map(str, paths))}; move them away, and run this command again"
    )


def _not_written(path: Path, error: OSError) -> InstallError:
    return InstallError(
        f"{path} cannot be changed: {error.strerror}; run this command as the user who owns "
        "Horizon's files, often root"
    )
