# SPDX-License-Identifier: Apache-2.0
"""Functional tests in processes of their own: with all seams in Nova, or without one of them."""

import multiprocessing

from tests.seams.verdict import Outcome, Verdict

# Seconds for one test.
PATIENCE = 240

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.seams.forked"])


def run(node, without=""):
    """How the test ends, as :class:`Verdict`; see ``forked.run``."""
    ours, theirs = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_run, args=(node, without, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE):
            return Verdict(Outcome.BROKEN, f"no answer in {PATIENCE} s")
        return ours.recv()
    except EOFError:
        return Verdict(Outcome.BROKEN, "its process ended without an answer")
    finally:
        process.kill()
        process.join()


def _run(*args):
    # There and not here, where Nova is not needed.
    from tests.seams import forked

    forked.run(*args)
