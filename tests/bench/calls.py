"""How many Python functions an operation calls: no other load on the machine changes that.

Threads that run already cannot be watched, so a worker is started for it and is no good for times.
"""

import contextlib
import itertools
import pathlib
import sys
import threading

import nova_xloud

_OURS = str(pathlib.Path(nova_xloud.__file__).parent)
# The fake libvirt's guests; stock Nova has them here too.
_FAKES = str(pathlib.Path(_OURS, "testing"))

_counting = None


def watch():
    """Look at all calls from now on, in this thread and in those that are yet to start."""
    threading.setprofile(_seen)
    sys.setprofile(_seen)


@contextlib.contextmanager
def counting():
    """A dictionary that has, afterwards, ``all`` calls, and those to functions of ``ours``."""
    global _counting
    everything, ours, counted = itertools.count(), itertools.count(), {}
    _counting = (everything, ours)
    try:
        yield counted
    finally:
        _counting = None
        counted.update(all=next(everything), ours=next(ours))


def _seen(frame, happened, argument):
    # Read once: another thread may end the counting meanwhile.
    counters = _counting
    if counters is None or happened != "call":
        return
    everything, ours = counters
    # Atomic, unlike an addition.
    next(everything)
    file = frame.f_code.co_filename
    if file.startswith(_OURS) and not file.startswith(_FAKES):
        next(ours)
