# SPDX-License-Identifier: Apache-2.0
"""Nova's own waits, with more patience."""

# So often a wait of Nova's is begun again: ten looks with half a second between them each.
ROUNDS = 4


class PatientWaits:
    """Nova's waits give up after ten looks, 5 s, which on a busy machine is too early.

    A wait that ends well is no longer than Nova's.
    """

    def _wait_for_server_parameter(self, *args, **options):
        return _again(super()._wait_for_server_parameter, args, options)

    def _wait_for_migration_status(self, *args, **options):
        return _again(super()._wait_for_migration_status, args, options)

    def _wait_for_instance_action_event(self, *args, **options):
        return _again(super()._wait_for_instance_action_event, args, options)


def _again(wait, args, options):
    for _ in range(ROUNDS - 1):
        try:
            return wait(*args, **options)
        except AssertionError:
            continue
    return wait(*args, **options)
