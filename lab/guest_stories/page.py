"""Writes what the commands of a story printed into docs/admin/guests.md."""

import re
import textwrap
from pathlib import Path

from lab.errors import LabError
from lab.layout import REPOSITORY

PATH = REPOSITORY / "docs" / "admin" / "guests.md"
WIDTH = 96
_END = "<!-- end of story -->"


def write(name: str, transcript: str, path: Path = PATH) -> None:
    """Replace what the page has of one story.

    :raises LabError: the page has no place for the story
    """
    path.write_text(with_story(path.read_text(), name, transcript))


def with_story(page: str, name: str, transcript: str) -> str:
    """Return the page with this transcript between the two comments of the story.

    :raises LabError: the page has no such comments
    """
    begin = f"<!-- story: {name}, written by make guests WRITE=1 -->"
    place = re.compile(f"{re.escape(begin)}\n.*?{re.escape(_END)}", re.DOTALL)
    if not place.search(page):
        raise LabError(f"docs/admin/guests.md has no place for the story {name}: {begin}")
    text = f"{begin}\n\n{indented(transcript)}\n{_END}"
    return place.sub(lambda _: text, page, count=1)


def indented(transcript: str) -> str:
    """Return the transcript as a block of Markdown; lines that are too long are broken."""
    lines = [part for line in transcript.splitlines() for part in _broken(line)]
    return "".join(f"    {line}".rstrip() + "\n" for line in lines)


def _broken(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    margin = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line.strip(),
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
