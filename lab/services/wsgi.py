"""Runs one WSGI application with waitress on 127.0.0.1.

``python -m lab.services.wsgi MODULE:ATTRIBUTE PORT [ARGUMENT ...]``
"""

import importlib
import os
import sys

import waitress

THREADS = 8


def main() -> None:
    """Serve the application that the command line names, and never return."""
    _, target, port, *arguments = sys.argv
    module, _, attribute = target.partition(":")
    # Keystone and Nova parse sys.argv when they are imported: they shall see their own arguments.
    sys.argv = [module, *arguments]
    # With -m the repository's root comes first in the path, and would hide modules of the services.
    sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]
    application = getattr(importlib.import_module(module), attribute)
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=THREADS, ident=None)


if __name__ == "__main__":
    main()
