# SPDX-License-Identifier: Apache-2.0
"""Each sequence of operations has a fork of one cloud, as each functional test has."""

import contextlib
import gc
import multiprocessing
import os
import signal
import tempfile
import traceback

from tests.functional.copies import Files, exit_after, set_up_and_stop

# Seconds in which the fork answers a step, its wait for the cloud to come to rest included.
ANSWERS_WITHIN = 300


class Origin:
    """A cloud at a standstill, from which forks are made; one at a time.

    :param case: the test case whose ``setUp`` starts the cloud
    """

    def __init__(self, case):
        self._case = case
        self._keeps = contextlib.ExitStack()
        home = self._keeps.enter_context(tempfile.TemporaryDirectory(prefix="cloud-"))
        before = tempfile.tempdir
        self._keeps.callback(setattr, tempfile, "tempdir", before)
        self._files = Files(home)
        self._standstill = set_up_and_stop(case)
        self._files.keep()
        self._used = False
        gc.collect()
        gc.freeze()

    def fork(self):
        """Return a :class:`Fork`, whose cloud is as ``setUp`` has left it."""
        if self._used:
            self._files.put_back()
        self._used = True
        return Fork(self._case, self._standstill)

    def end(self):
        """Remove the files of the cloud."""
        self._keeps.close()


class Broken(Exception):
    """Something went wrong in a step; the text says what.

    :ivar kind: what went wrong, in one word
    """

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Fork:
    """A process with a cloud of its own, in which functions are called one after the other."""

    def __init__(self, case, standstill):
        self._connection, theirs = multiprocessing.Pipe()
        self._pid = os.fork()
        if not self._pid:
            self._connection.close()
            exit_after(lambda: _serve(case, standstill, theirs))
        theirs.close()

    def call(self, function, **arguments):
        """Call ``function(case, **arguments)`` in the fork, and return what it returns.

        :raises Broken: with what the function raised, or because the fork ended or does not answer
        """
        try:
            self._connection.send((function, arguments))
            if not self._connection.poll(ANSWERS_WITHIN):
                raise Broken("no_answer", f"no answer within {ANSWERS_WITHIN} s")
            answer, error = self._connection.recv()
        except (EOFError, OSError):
            raise Broken("process_ended", "the process of the cloud has ended") from None
        if error is not None:
            raise Broken(*error)
        return answer

    def end(self):
        """End the process."""
        self._connection.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _serve(case, standstill, connection):
    standstill.go_on()
    with contextlib.suppress(EOFError):
        while True:
            function, arguments = connection.recv()
            connection.send(_answered(case, function, arguments))


def _answered(case, function, arguments):
    try:
        return function(case, **arguments), None
    except Broken as broken:
        return None, (broken.kind, str(broken))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        return None, (type(error).__name__, traceback.format_exc())
