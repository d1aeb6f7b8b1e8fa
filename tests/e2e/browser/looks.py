"""Pictures of pages: those of the documentation, or copies to look at after a run."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.layout import REPOSITORY, Layout

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = REPOSITORY / "docs" / "admin" / "dashboard.md"
PICTURES = REPOSITORY / "docs" / "images" / "dashboard"


@dataclass(frozen=True)
class Looks:
    """Takes pictures of pages.

    :ivar folder: where they are written
    :ivar keep: whether those that the documentation shows become its pictures
    """

    folder: Path
    keep: bool

    @staticmethod
    def of(lab: Layout) -> "Looks":
        """Return what writes beside the lab's logs, and into the docs if that is asked for."""
        return Looks(lab.logs / "pictures", os.environ.get("NOVA_XLOUD_WRITE_PICTURES") == "1")

    def take(self, page: "Page", name: str) -> None:
        """Write a picture of the whole page as ``NAME.png``."""
        # Horizon's own bar stays at the top of the window, and not of the page.
        page.evaluate("window.scrollTo(0, 0)")
        # What the mouse has lit up, or a caret, is not what the picture is about.
        page.mouse.move(0, 0)
        page.screenshot(path=self._path(name), full_page=True, animations="disabled", caret="hide")

    def _path(self, name: str) -> Path:
        is_shown = f"images/dashboard/{name}.png" in PAGE.read_text()
        folder = PICTURES if self.keep and is_shown else self.folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.png"
