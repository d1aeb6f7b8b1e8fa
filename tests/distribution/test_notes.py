"""reno can read every release note of this repository's history, and makes a page of all."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.distribution.conftest import REPOSITORY, run

pytest.importorskip("reno")

NOTES = sorted((REPOSITORY / "releasenotes" / "notes").glob("*.yaml"))
SECTIONS = {"prelude", "features", "issues", "upgrade", "security", "fixes", "other"}

pytestmark = pytest.mark.skipif(
    not (REPOSITORY / ".git").exists() or shutil.which("git") is None, reason="not git's"
)


def reno(*arguments: str) -> str:
    return run((Path(sys.executable).with_name("reno"), *arguments), REPOSITORY)


def test_lint() -> None:
    """It fails too on a note that a merge commit has added: reno sees that one twice."""
    reno("--quiet", "lint", ".")


def test_report_has_every_note() -> None:
    told = reno("--quiet", "report", ".")
    assert [note.name for note in NOTES if note.name not in told] == []
    assert "\nPrelude\n" in told


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.name)
def test_note_has_known_sections_with_something_in_each(note: Path) -> None:
    sections = yaml.safe_load(note.read_text())
    assert set(sections) <= SECTIONS
    assert all(sections.values())
