"""Pictures of pages: those of the documentation, or copies to look at after a run."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.layout import REPOSITORY, Layout

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOCS = REPOSITORY / "docs" / "images" / "dashboard"


@dataclass(frozen=True)
class Looks:
    """Takes pictures of pages.

    :ivar folder: where they are written
    """

    folder: Path

    @staticmethod
    def of(lab: Layout) -> "Looks":
        """Return what writes into the docs if that is asked for, else beside the lab's logs."""
        keep = os.environ.get("NOVA_XLOUD_WRITE_PICTURES") == "1"
        folder = DOCS if keep else lab.logs / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        return Looks(folder)

    def take(self, page: "Page", name: str) -> None:
        """Write a picture of the whole page as ``NAME.png``."""
        # Horizon's own bar stays at the top of the window, and not of the page.
        page.evaluate("window.scrollTo(0, 0)")
        # What the mouse has lit up, or a caret, is not what the picture is about.
        page.mouse.move(0, 0)
        page.screenshot(
            path=self.folder / f"{name}.png", full_page=True, animations="disabled", caret="hide"
        )
