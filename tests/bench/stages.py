"""Where the time of one adjustment goes, of the spans that its trace has. Pure."""

import itertools
from dataclasses import dataclass

# What is left of the request when its controller is taken away, and of the rest when all is.
HTTP, WAITING = "HTTP, token, routing", "waiting for the guest, and between two turns"
# Spans within which others are, by what is left of them.
_LEFT = {
    "api": "api: the rest",
    "rpc": "RPC: there and back",
    "host": "host: deciding, and the rest",
}


@dataclass(frozen=True, slots=True)
class Span:
    """One call; times in seconds since the epoch.

    :ivar thread: process and thread, as one text
    """

    name: str
    began: float
    ended: float
    thread: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One adjustment.

    :ivar sent: when it was sent
    :ivar answered: when it was answered
    :ivar seen: when the guest was seen to have it
    :ivar ended: when its run ended
    :ivar spans: all of it
    """

    sent: float
    answered: float
    seen: float
    ended: float
    spans: tuple


def rows(trace):
    """``(stage, calls, ms until 202, ms until it is seen, ms after that)``, in order of first use.

    The columns add up to the three times of the trace.
    """
    bounds = (trace.sent, trace.answered, max(trace.answered, trace.seen), trace.ended)
    phases = list(itertools.pairwise(bounds))
    found = {}
    for span, own in _own(trace.spans):
        calls, seconds = found.get(span.name, (0, (0.0,) * 3))
        shares = [own * _share(span, phase) for phase in phases]
        added = tuple(one + share for one, share in zip(seconds, shares, strict=True))
        found[span.name] = (calls + 1, added)
    named = [(_LEFT.get(name, name), *one) for name, one in found.items()]
    spent = [sum(one[2][phase] for one in named) for phase in range(3)]
    left = [max(0.0, end - begin - one) for (begin, end), one in zip(phases, spent, strict=True)]
    lines = [(HTTP, 1, (left[0], 0.0, 0.0)), *named, (WAITING, 1, (0.0, left[1], left[2]))]
    return tuple(
        (name, calls, *(round(one * 1000, 1) for one in times)) for name, calls, times in lines
    )


def _own(spans):
    """``(span, seconds of its own)``: less what was within it, in its thread or at the other end.

    A call of RPC has the host's part within it, in another process.
    """
    spans = sorted(spans, key=lambda one: (one.began, -one.ended))
    own = [span.ended - span.began for span in spans]
    for number, span in enumerate(spans):
        parent = _parent(spans, number)
        if parent is not None:
            own[parent] -= span.ended - span.began
    return zip(spans, own, strict=True)


def _parent(spans, number):
    """The innermost span that this one is within; None: there is none."""
    span = spans[number]
    for before in range(number - 1, -1, -1):
        one = spans[before]
        is_around = one.began <= span.began and span.ended <= one.ended
        if is_around and (one.thread == span.thread or (one.name, span.name) == ("rpc", "host")):
            return before
    return None


def _share(span, phase):
    """Which part of a span is within a phase."""
    begin, end = phase
    length = span.ended - span.began
    if length == 0:
        return float(begin <= span.began < end)
    return max(0.0, min(span.ended, end) - max(span.began, begin)) / length
