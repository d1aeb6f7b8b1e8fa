# SPDX-License-Identifier: Apache-2.0
"""Nova's own waits, with more patience and more looks."""

import contextlib
import time
import types

from nova.tests.functional import integrated_helpers

from lab.patience import Patience

# Seconds that a wait may last, as Patience counts them.
ENOUGH = 20

# Seconds between two looks of Nova's waits, which take one every half second: a test is mostly
# waiting, and what it waits for has come long before.
PAUSE = 0.05


class PatientWaits:
    """Nova's waits give up after ten looks, 5 s, which on a busy machine is too early."""

    def _wait_for_server_parameter(self, *args, **options):
        return _again(super()._wait_for_server_parameter, args, options)

    def _wait_for_migration_status(self, *args, **options):
        return _again(super()._wait_for_migration_status, args, options)

    def _wait_for_instance_action_event(self, *args, **options):
        return _again(super()._wait_for_instance_action_event, args, options)

    def _wait_until_deleted(self, server):
        return _again(super()._wait_until_deleted, [server], {})


def _again(wait, args, options):
    patience = Patience(ENOUGH)
    with _more_looks():
        while True:
            try:
                return wait(*args, **options)
            except AssertionError:
                if patience.is_over():
                    raise


@contextlib.contextmanager
def _more_looks():
    novas = integrated_helpers.time
    integrated_helpers.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(PAUSE))
    try:
        yield
    finally:
        integrated_helpers.time = novas
