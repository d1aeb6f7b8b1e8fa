"""The cloud's services, one module each: its configuration as data, its start, its health.

Each module has ``configure(layout)`` (writes its files), ``daemons(layout)``, and where it keeps
something ``create_database(layout)`` (once; quick when it is there).
"""
