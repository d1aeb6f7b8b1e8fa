"""Processes that stay, and are asked again and again: Nova is configured once in each."""

import contextlib
import importlib
import logging
import multiprocessing
import traceback


class Staying:
    """A fresh process, with nova-xloud installed in its Nova, that stays until it is closed.

    What a module of it keeps from one call to the next, it finds again.
    """

    def __init__(self):
        spawned = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawned.Pipe()
        self._process = spawned.Process(target=_answer, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def call(self, job, *arguments):
        """Have it call ``"module:function"``; returns what that returns.

        :raises RuntimeError: it failed; the traceback is in the message
        """
        self.begin(job, *arguments)
        return self.result()

    def begin(self, job, *arguments):
        """:meth:`call`, without waiting for it: :meth:`result` does."""
        self._pipe.send((job, arguments))

    def result(self):
        """What the job returns that was begun."""
        try:
            found, failure = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process has ended; stderr says why") from None
        if failure:
            raise RuntimeError(failure)
        return found

    def close(self):
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def process():
    """A :class:`Staying` for as long as the block lasts."""
    one = Staying()
    try:
        yield one
    finally:
        one.close()


def _answer(pipe):
    # As the functional tests have it: Nova on the machine's threads.
    import tests.conftest  # noqa: F401
    from nova_xloud.seams.install import install

    install()
    # Of each connection that is one more than urllib3 keeps.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    while True:
        job, arguments = pipe.recv()
        module, _, name = job.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)(*arguments)
        except Exception:  # noqa: BLE001
            pipe.send((None, traceback.format_exc()))
        else:
            pipe.send((found, None))
