"""Prints the steps of a long command with the seconds that each took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Step:
    """One line of progress; :meth:`note` adds a text, which is printed if the step succeeds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Progress:
    """Prints one line per step: seconds since the start, seconds of the step, its title."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Print the step's line when the block ends; an error is marked and raised again.

        On a terminal the title is shown from the beginning of the block.
        """
        step = Step(title)
        began = time.monotonic()
        # On a terminal the running step is shown and then overwritten; a log gets one line only.
        if sys.stdout.isatty():
            print(f"{self._total():>6.1f}s    ...   {title}", end="\r", flush=True)
        try:
            yield step
        except BaseException:
            self._line(began, f"{title}: FAILED")
            raise
        notes = f": {', '.join(step.notes)}" if step.notes else ""
        self._line(began, title + notes)

    def say(self, text: str) -> None:
        """Print a line that is not a step."""
        print(f"{self._total():>6.1f}s           {text}", flush=True)

    def _total(self) -> float:
        return time.monotonic() - self._started

    def _line(self, began: float, text: str) -> None:
        took = time.monotonic() - began
        clear = "\x1b[K" if sys.stdout.isatty() else ""
        print(f"{self._total():>6.1f}s {took:>7.1f}s  {text}{clear}", flush=True)
