# SPDX-License-Identifier: Apache-2.0
"""Nova's own waits, with more patience and more looks."""

import contextlib
import time
import types

from nova.tests.functional import integrated_helpers

from lab.patience import Patience

# Seconds that a wait may last, as Patience counts them: each pause between two looks is one poll.
ENOUGH = 20

# Seconds between two looks of Nova's waits.
NOVAS_PAUSE = 0.5

# Seconds between the first two looks here: a test is mostly waiting, and what it waits for has come
# long before. Each pause is longer by half than the one before, up to Nova's.
SHORTEST_PAUSE = 0.03


class PatientWaits:
    """Nova's waits give up after ten looks, 5 s, which on a busy machine is too early."""

    def _wait_for_server_parameter(self, *args, **options):
        return _again(super()._wait_for_server_parameter, args, options)

    def _wait_for_migration_status(self, *args, **options):
        # It lists all migrations, for which Nova's fixture puts every thread into another cell.
        return _again(super()._wait_for_migration_status, args, options, shortest=NOVAS_PAUSE)

    def _wait_for_instance_action_event(self, *args, **options):
        return _again(super()._wait_for_instance_action_event, args, options)

    def _wait_until_deleted(self, server):
        return _again(super()._wait_until_deleted, [server], {})


def _again(wait, args, options, shortest=SHORTEST_PAUSE):
    patience = Patience(ENOUGH)
    with _pauses(shortest, patience):
        while True:
            try:
                return wait(*args, **options)
            except AssertionError:
                if patience.is_over():
                    raise


@contextlib.contextmanager
def _pauses(shortest, patience):
    """Make Nova's waits pause for ``shortest`` seconds first, and for longer after each look.

    Once ``patience`` is over they do not pause: the looks that Nova has left are the last.
    """
    novas, pauses = integrated_helpers.time, _growing(shortest)

    def pause(_):
        if not patience.is_over():
            time.sleep(next(pauses))

    integrated_helpers.time = types.SimpleNamespace(sleep=pause)
    try:
        yield
    finally:
        integrated_helpers.time = novas


def _growing(seconds):
    while True:
        yield min(seconds, NOVAS_PAUSE)
        seconds *= 1.5
