# SPDX-License-Identifier: Apache-2.0
"""The static files of the plugin: how they get to where browsers ask for them, and what is stale.

Horizon's web server serves a folder, ``STATIC_ROOT``. ``collectstatic`` copies the files of all
plugins to it, and ``compress`` makes bundles of scripts and styles of the copies, and a manifest
that names the bundles. After either is left out, pages have an old script or none, or end with
``OfflineGenerationError``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from xloud_dashboard.install.horizon import Horizon, InstallError, Probe
from xloud_dashboard.install.links import PACKAGE, unlink, wanted

FILES = PACKAGE / "static"
# A string of the plugin's script, which is in a bundle that has the script.
MARK = "xloud-size"

COLLECT = ("-m", "django", "collectstatic", "--noinput")
COMPRESS = ("-m", "django", "compress", "--force")


def build(horizon: Horizon, probe: Probe) -> Iterator[str]:
    """Run the static steps that ``horizon`` needs, and yield what each has done.

    :raises InstallError: a step failed, or a file cannot be read or removed
    """
    # collectstatic leaves a copy that is newer than its file, as after a downgrade.
    for path, copy in _copies(probe):
        if copy.is_file() and not _is_same(path, copy):
            unlink(copy)
    horizon.run(*COLLECT)
    yield f"copied static files to {probe.static_root} (collectstatic)"
    if probe.is_offline:
        horizon.run(*COMPRESS)
        yield f"made the bundles that {probe.manifest} names (compress)"
    else:
        yield "made no bundles: COMPRESS_OFFLINE is off, and Horizon makes them itself"


def stale(horizon: Horizon, probe: Probe) -> Iterator[str]:
    """Yield what browsers would get too old or not at all, in sentences.

    :raises InstallError: a file cannot be read
    """
    copies = _copies(probe)
    for path, copy in copies:
        if not copy.is_file():
            yield f"{copy} is missing"
        elif not _is_same(path, copy):
            yield f"{copy} is not the file of this version"
    if probe.is_offline and copies:
        yield from _stale_manifest(horizon, probe, [copy for _, copy in copies])


def _copies(probe: Probe) -> list[tuple[Path, Path]]:
    """Return each static file of the plugin, with the place of its copy."""
    root = Path(probe.static_root)
    return [(path, root / path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file()]


def _is_same(path: Path, copy: Path) -> bool:
    return _read(copy) == _read(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InstallError(
            f"{path} cannot be read: {error.strerror}; run this command as the user who owns "
            "Horizon's files, often root"
        ) from error


def _stale_manifest(horizon: Horizon, probe: Probe, copies: Iterable[Path]) -> Iterator[str]:
    manifest = Path(probe.manifest)
    if not manifest.is_file():
        yield f"the manifest {manifest} is missing, so every page ends with OfflineGenerationError"
        return
    # A link's own time: that of its making.
    links = [link.at.lstat().st_mtime for link in wanted(horizon) if link.at.is_symlink()]
    newest = max([path.stat().st_mtime for path in copies if path.is_file()] + links)
    if manifest.stat().st_mtime < newest:
        yield f"the manifest {manifest} is older than the plugin's files"
    elif not any(_has_mark(path) for path in _scripts(manifest)):
        yield f"no bundle that {manifest} names has the plugin's script"
    elif probe.bundles_error:
        # Of another plugin, or of Horizon itself: no file of ours is newer.
        yield f"{probe.bundles_error} ({manifest})"


def _scripts(manifest: Path) -> Iterator[Path]:
    """Yield the scripts that a manifest names: its values are HTML with their URLs."""
    try:
        values = json.loads(_read(manifest)).values()
    except (ValueError, AttributeError):
        return
    html = "\n".join(map(str, values))
    yield from (path for path in manifest.parent.rglob("*.js") if path.name in html)


def _has_mark(path: Path) -> bool:
    return MARK.encode() in _read(path)
