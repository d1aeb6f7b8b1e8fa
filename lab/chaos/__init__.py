"""``make chaos``: servers are adjusted while the cloud's parts are broken on purpose.

A seed decides the whole sequence (``schedule.py``), so a sequence that went wrong can be repeated.
What each fault does is in ``faults.py`` and ``points.py``. ``supervisor.py`` restarts daemons that
end, as systemd does in a cloud. ``checks.py`` says what is not as it has to be, and ``run.py`` puts
all of that together and prints the table (``table.py``).
"""
