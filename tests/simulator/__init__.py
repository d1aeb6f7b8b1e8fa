# SPDX-License-Identifier: Apache-2.0
"""Histories of one host, generated from a seed: the engine as it is, everything else simulated.

``python -m tests.simulator SEED`` prints one, event by event.

``schedule``     actors in virtual time: who acts next, who waits for a lock, who is killed
``scenario``     a history before it begins; ``generator`` makes one of a seed
``troubles``     what half of the histories have besides: moves, restarts, inventories, drivers
``placement``    the host's inventory, and who holds what of it
``server``       one instance: its row, its claim, its guest
``ports``        the engine's ports: every call takes time, may be lost, and may be the last
``compute``      nova-compute: the real ``Host`` and ``Worker``, killed and started again
``operations``   what users do, with task_state, claim and lock as Nova has them: ``moves`` to
                 another host and back, ``restarts`` from the record or as defined before
``outside``      callers, other tenants, guests' moods, Placement's absences
``checks``       what must hold after every effect, and (``settlement``) at the end
``rules``        every safety rule by name, and how to do without it
``history``      one history, from its seed to its verdict
"""
