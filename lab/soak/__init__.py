"""``make soak``: a mixed load for an hour, and what the services have kept of it.

``plan.py`` decides from a seed what is done to each server, and ``seat.py`` does it; ``reader.py``
reads meanwhile, as clients and Prometheus do. ``measure.py`` takes a sample each minute: memory,
threads and descriptors of the services, rows of the databases, files of the hosts, and the journals
of automatic growth (``journal.py``). ``judge.py``, with ``growth.py`` for what one server does by
itself, compares the samples with the bounds of ``bounds.py`` (pure functions), and ``run.py`` puts
all of that together and prints the table (``table.py``).
"""
