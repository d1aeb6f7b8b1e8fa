"""The services' SQLite databases: their paths and URLs, and the creation of their schemas."""

import sqlite3
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from lab.layout import Layout
from lab.services import config

# How long a writer waits for another one, in seconds.
BUSY_SECONDS = 60
PLUGIN = "lab_sqlite"


def connection(layout: Layout, name: str) -> str:
    """Return the SQLAlchemy URL of a database."""
    return f"sqlite:///{path(layout, name)}?timeout={BUSY_SECONDS}&plugin={PLUGIN}"


def install_plugin(folder: Path) -> None:
    """Put the SQLAlchemy plugin into a folder of Python modules, as a distribution with metadata.

    Services have ``layout.site`` in their PYTHONPATH. The environment that lab/setup makes has the
    plugin too, for commands that somebody runs by hand with the lab's nova.conf.
    """
    source = Path(__file__).with_name(f"{PLUGIN}.py")
    config.write_text(folder / source.name, source.read_text())
    metadata_folder = folder / f"{PLUGIN}-1.dist-info"
    config.write_text(
        metadata_folder / "METADATA", f"Metadata-Version: 2.1\nName: {PLUGIN}\nVersion: 1\n"
    )
    config.write_text(
        metadata_folder / "entry_points.txt",
        f"[sqlalchemy.plugins]\n{PLUGIN} = {PLUGIN}:LabSqlite\n",
    )


def path(layout: Layout, name: str) -> Path:
    """Return the path of the file of a database."""
    return layout.databases / f"{name}.sqlite"


def create_once(
    layout: Layout, package: str, names: tuple[str, ...], make: Callable[[], None]
) -> None:
    """Run ``make``, which creates a schema, unless that was done for this release of ``package``.

    Before that, the databases are set to write-ahead mode: readers do not wait for the writer.

    :param package: the name of the service's Python distribution
    :param names: the databases that ``make`` creates tables in
    """
    stamp = layout.databases / f"{package}.ready"
    version = metadata.version(package)
    if stamp.exists() and stamp.read_text() == version:
        return
    for name in names:
        with sqlite3.connect(path(layout, name)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        database.close()
    make()
    stamp.write_text(version)
