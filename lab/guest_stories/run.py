"""The run of the stories: each in turn, and a table of what was as expected and what was not."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from lab import lifecycle
from lab.chaos.checks import NOT_ANSWERED
from lab.checker import Checker, checker
from lab.cloud import Cloud
from lab.errors import LabError
from lab.guest_stories import page
from lab.guest_stories.kinds import KINDS, Kind
from lab.guest_stories.stories import STORIES
from lab.guest_stories.tale import Tale
from lab.layout import Layout


@dataclass(frozen=True)
class Told:
    """How one story went: its seconds, and what was not as expected in it."""

    name: str
    seconds: float
    problems: tuple[str, ...]


def chosen(names: Sequence[str]) -> list[str]:
    """Return the names of the stories to tell: those of ``names``, or all if there are none.

    :raises LabError: a name is not that of a story
    """
    if unknown := [name for name in names if name not in STORIES]:
        raise LabError(f"there is no story {', '.join(unknown)}; choose from: {', '.join(STORIES)}")
    return list(dict.fromkeys(names or STORIES))


def run(layout: Layout, names: Sequence[str] = (), write: bool = False) -> int:
    """Tell the stories, and print a table.

    :param names: keys of ``STORIES``; empty: all
    :param write: whether what the commands of a story printed is written into the page, if all was
        as expected
    :returns: the exit code: 1 if anything was not as expected, or if no story was told
    """
    cloud = Cloud(layout)
    told: list[Told] = []
    with checker(layout) as asks:
        for name in chosen(names):
            told.append(_tell(cloud, asks, name, write))
    print(f"\n{table(told)}", flush=True)
    return exit_code(told)


def table(told: Sequence[Told]) -> str:
    """Return a row for each story, and its problems below it."""
    rows = []
    for one in told:
        verdict = "not as expected" if one.problems else "as expected"
        rows.append(f"{one.name:<20}  {one.seconds:6.1f} s  {verdict}")
        rows += [f"    {problem}" for problem in one.problems]
    return "\n".join(rows) or "No story was told."


def exit_code(told: Sequence[Told]) -> int:
    """Return 0 if at least one story was told and all was as expected in each of them, else 1."""
    return 0 if told and not any(one.problems for one in told) else 1


def _tell(cloud: Cloud, asks: Checker, name: str, write: bool) -> Told:
    kind = KINDS[name]
    print(f"\n{name}: a guest that {kind.does} (image {kind.image})\n", flush=True)
    began = time.monotonic()
    tale = Tale(cloud, asks, name, kind)
    with _option_of(kind, cloud.layout):
        try:
            tale.begin()
            STORIES[name](tale)
            tale.check()
        except NOT_ANSWERED as error:
            tale.problems.append(f"The story ended early: {type(error).__name__}: {error}.")
            print(f"    NOT AS EXPECTED: {tale.problems[-1]}", flush=True)
        finally:
            tale.end()
    if write and not tale.problems:
        page.write(name, "".join(tale.transcript))
    return Told(name, time.monotonic() - began, tuple(tale.problems))


def _option_of(kind: Kind, layout: Layout) -> AbstractContextManager[None]:
    """Return a context in which the guests' nova-compute has the option that the story needs."""
    if kind.option is None:
        return nullcontext()
    return lifecycle.with_option(layout, layout.computes[0], *kind.option)
