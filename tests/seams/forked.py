# SPDX-License-Identifier: Apache-2.0
"""What runs in a process of its own: one functional test, and how it ended.

The server from which these processes are forked has imported this, and with it Nova and its
fixtures, before anything of Nova is extended; so each of them begins in no time.
"""

import contextlib
import importlib
import inspect
import os
import pathlib
import tempfile
import traceback

import pytest
from nova.tests.functional.api.client import OpenStackApiException

import tests.functional.clouds  # noqa: F401
from nova_xloud.seams.install import check
from tests.seams.verdict import Outcome, Verdict

# By this all modules that have a seam are imported. Then the largest that Nova looks for by name.
check()
importlib.import_module("vif_plug_ovs.ovs")

FUNCTIONAL = pathlib.Path(__file__).parents[1] / "functional"


def run(node, without, answer):
    """Run one test, and send its :class:`Verdict`.

    :param node: its pytest node id, below ``tests/functional/``
    :param without: see ``tests/nova_own/plugin.py``; empty: with all seams
    :param answer: a ``multiprocessing`` connection
    """
    os.environ["NOVA_XLOUD_WITHOUT"] = without
    # xdist would take this process for a worker of its own.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryFile("w+") as printed:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            pytest.main(["-q", str(FUNCTIONAL / node)], plugins=[_Witness(answer)])
        # Who has had an answer has stopped this. So the test could not even be begun.
        printed.seek(0)
        answer.send(Verdict(Outcome.BROKEN, printed.read()[-4000:]))


class _Witness:
    """A pytest plugin that sees how the one test ended."""

    def __init__(self, answer):
        self._answer = answer
        self._is_told = False

    def pytest_runtest_call(self, item):
        # testtools tells pytest of an error as text only.
        if hasattr(item.instance, "addOnException"):
            item.instance.addOnException(lambda info: self._tell(_judged(item, info[1])))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        yield
        if call.excinfo is not None:
            self._tell(_judged(item, call.excinfo.value))
        elif call.when == "call":
            self._tell(Verdict(Outcome.PASSED, ""))

    def _tell(self, verdict):
        # What comes after the first error may come of it.
        if not self._is_told:
            self._is_told = True
            self._answer.send(verdict)


def _judged(item, error):
    """A failure counts if the test itself saw it: not its ``setUp``, and no mistake of Python's."""
    # The test may be one of a class in another file, and ddt may have wrapped it.
    test = inspect.unwrap(item.function).__code__
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    is_in_test = test in frames
    is_seen = isinstance(error, AssertionError | OpenStackApiException)
    outcome = Outcome.FAILED if is_in_test and is_seen else Outcome.BROKEN
    return Verdict(outcome, f"{type(error).__name__}: {error}")
