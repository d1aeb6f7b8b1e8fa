"""Processes that stay, and are asked again and again: Nova is configured once in each."""

import contextlib
import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


class Staying:
    """A fresh process, with Nova extended in it, that stays until it is closed.

    What a module of it keeps from one call to the next, it finds again.
    """

    def __init__(self):
        spawned = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawned)

    def begin(self, name, *arguments):
        """Call ``module:function`` there; returns its future."""
        return self._pool.submit(_call, name, arguments)

    def call(self, name, *arguments):
        """Call ``module:function`` there; returns what it returns, or raises what it raises."""
        return self.begin(name, *arguments).result()

    def close(self):
        """End it."""
        self._pool.shutdown()


@contextlib.contextmanager
def process():
    """A :class:`Staying` for as long as the block lasts."""
    one = Staying()
    try:
        yield one
    finally:
        one.close()


def _call(name, arguments):
    # As the functional tests have it: Nova on the machine's threads.
    import tests.conftest  # noqa: F401
    from nova_xloud.seams.install import install

    install()
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments)
