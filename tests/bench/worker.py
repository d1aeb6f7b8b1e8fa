"""Two processes with a cloud each, stock and extended, that are asked in turns."""

import contextlib
import multiprocessing
import os
import pathlib
import sys

from tests.bench import paired

# Seconds: a cloud of many hosts takes its time to start.
_PATIENCE = 600


def _run(extended, hosts, watched, pipe):
    """A worker's life. Nothing of Nova is imported in the process that asks."""
    import tests.conftest  # noqa: F401

    if extended:
        from nova_xloud.seams.install import install

        install()
    from tests.bench import calls, cloud

    if watched:
        calls.watch()

    cloud.serve(str(pathlib.Path(sys.prefix, "etc/nova/api-paste.ini")), hosts, pipe)


class Worker:
    """One of the two.

    :param extended: whether nova-xloud is installed in its Nova
    :param hosts: how many compute hosts its cloud has
    :param watched: it counts calls, and is slow
    """

    def __init__(self, extended, hosts, watched):
        spawned = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawned.Pipe()
        arguments = (extended, hosts, watched, theirs)
        self._process = spawned.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, what, operation):
        """``"time"``, ``"count"`` or ``"calls"`` of an operation of the worker's cloud."""
        self._pipe.send((what, operation))
        return self.answer()

    def answer(self):
        """Its next answer.

        :raises TimeoutError: there was none
        :raises EOFError: it has ended; what it wrote to stderr says why
        """
        if not self._pipe.poll(_PATIENCE):
            raise TimeoutError(f"no answer from a worker in {_PATIENCE} s")
        return self._pipe.recv()

    def close(self):
        """End it, whatever it does."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(None)
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()


@contextlib.contextmanager
def both(hosts, seed, *, same=False, watched=False):
    """A stock and an extended :class:`Worker`, both ready.

    :param seed: of the hashes of both, so that dictionaries and sets are laid out alike; of an odd
        one stock is started first
    :param watched: see :class:`Worker`
    :param same: both stock, to see what is measured where there is no difference
    """
    os.environ["PYTHONHASHSEED"] = str(seed)
    kinds = (False, not same)
    workers = [None, None]
    with contextlib.ExitStack() as stack:
        # One after the other: they share the machine's memory and cores with others. Which is first
        # changes with the seed, since the machine is not the same for the second.
        for index in (0, 1) if seed % 2 else (1, 0):
            workers[index] = Worker(kinds[index], hosts, watched)
            stack.callback(workers[index].close)
            workers[index].answer()
        yield tuple(workers)


def in_turns(workers, operation, pairs, seed, what="time"):
    """``(stock, extended)`` of so many pairs of answers."""
    measured = []
    for extended_first in paired.order(pairs, seed):
        answers = [None, None]
        for index in (1, 0) if extended_first else (0, 1):
            answers[index] = workers[index].ask(what, operation)
        measured.append(tuple(answers))
    return measured
