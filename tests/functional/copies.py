# SPDX-License-Identifier: Apache-2.0
"""Each test has a copy of the cloud that its class started once.

A class has a process. There its ``setUp`` starts the cloud, which is then brought to a standstill.
Each test is a fork of that process, in which the cloud goes on: what the test changes in memory
ends with it, and databases and files are put back before the next. So a test sees of another as
little as with a cloud of its own, and set-up, which costs more than most tests, is done once.

With ``own_cloud = True`` each test of a class starts a cloud, in a process of its own all the same.
"""

import contextlib
import functools
import gc
import multiprocessing
import os
import shutil
import tempfile
import traceback

import pytest
from _pytest.runner import runtestprotocol
from nova import test

from nova_xloud import releases
from tests.functional.standstill import Movement
from tests.nova_own.plugin import fit_nova_to_pytest


class Copies:
    """Has each test run in a copy, but for one that is alone in its run.

    There are none where Nova is on eventlet, and none with ``--pdb``.
    """

    def __init__(self):
        self._origin = None

    def run(self, item, nextitem):
        """As the hook ``pytest_runtest_protocol``."""
        if not _has_copies(item):
            return None
        if self._origin is None:
            self._origin = Origin(item)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._origin.run(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if nextitem is None or nextitem.parent is not item.parent:
            self.end()
        return True

    def end(self):
        """End the process of the last class."""
        if self._origin is not None:
            self._origin.end()
            self._origin = None


def _has_copies(item):
    return (
        releases.major() >= 34
        and len(item.session.items) > 1
        and not item.config.getoption("usepdb")
    )


class Origin:
    """The process from which the tests of one class are forked.

    :param item: the first of these tests
    """

    def __init__(self, item):
        ours, self._theirs = multiprocessing.Pipe()
        self._pid = os.fork()
        if not self._pid:
            ours.close()
            _exit_after(lambda: _serve(item, self._theirs))
        self._theirs.close()
        self._connection = ours

    def run(self, item):
        """Run one test; its reports."""
        try:
            self._connection.send(item.nodeid)
            told = self._connection.recv()
        except (EOFError, OSError):
            told = "the process from which it is forked ended"
        if isinstance(told, str):
            return [_crashed(item, told)]
        hook = item.config.hook
        return [
            hook.pytest_report_from_serializable(config=item.config, data=data) for data in told
        ]

    def end(self):
        """End the process, and remove its files."""
        self._connection.close()
        os.waitpid(self._pid, 0)


def _crashed(item, why):
    return pytest.TestReport(
        item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", why, "call"
    )


def _exit_after(do):
    """The end of a fork: nothing of what its parent was about to do is done twice."""
    code = 1
    try:
        do()
        code = 0
    finally:
        os._exit(code)


def _serve(item, connection):
    """The process of a class: fork each test that is asked for, until nobody asks any more."""
    items = {one.nodeid: one for one in item.session.items}
    with tempfile.TemporaryDirectory(prefix="cloud-") as home:
        files = _Files(home)
        run = _how_to_run(item)
        files.keep()
        gc.collect()
        gc.freeze()
        with contextlib.suppress(EOFError):
            while True:
                connection.send(run(items[connection.recv()]))
                files.put_back()


def _how_to_run(item):
    """With a cloud where the class has one; without one where that could not be started."""
    if not _shares_a_cloud(item):
        return _forked
    try:
        adopt = _start_cloud(item)
    except Exception:  # noqa: BLE001 - each test tells it
        why = traceback.format_exc()
        return lambda item: why
    return functools.partial(_forked, adopt=adopt)


def _shares_a_cloud(item):
    case = getattr(item, "cls", None)
    is_nova = case is not None and issubclass(case, test.TestCase)
    return is_nova and not getattr(case, "own_cloud", False)


class _Files:
    """All files of a cloud: databases, and what its hosts write."""

    def __init__(self, home):
        self._now, self._kept = os.path.join(home, "now"), os.path.join(home, "kept")
        os.mkdir(self._now)
        tempfile.tempdir = self._now

    def keep(self):
        shutil.copytree(self._now, self._kept, symlinks=True)

    def put_back(self):
        shutil.rmtree(self._now)
        shutil.copytree(self._kept, self._now, symlinks=True)


def _start_cloud(item):
    """Start what ``setUp`` of a class starts.

    :returns: what has a test of that class, in a fork, run with it
    """
    monkeypatch = pytest.MonkeyPatch()
    fit_nova_to_pytest(monkeypatch)
    movement = Movement(monkeypatch)
    case = item.cls(item.name)
    case.setUp()
    standstill = movement.stop()
    made = dict(vars(case))
    run = item.cls.run

    def go_on(case):
        # It is the one that was set up, but testtools has reset it.
        name = case._testMethodName
        vars(case).update(made, _testMethodName=name)
        standstill.go_on()

    def run_set_up(pytests, *args, **kwargs):
        # Not pytest's own instance: what was set up knows this one, in callbacks and cleanups.
        case._testMethodName = pytests._testMethodName
        return run(case, *args, **kwargs)

    def adopt():
        item.cls.setUp, item.cls.run = go_on, run_set_up

    return adopt


def _forked(item, adopt=lambda: None):
    """Run a test in a fork; its reports as data, or how the fork ended without them."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if not pid:
        _exit_after(lambda: theirs.send(_reports(item, adopt)))
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = None
    _, status = os.waitpid(pid, 0)
    # Negative: the signal that ended it.
    return told or f"its process ended with exit code {os.waitstatus_to_exitcode(status)}"


def _reports(item, adopt):
    adopt()
    hook = item.config.hook
    return [
        hook.pytest_report_to_serializable(config=item.config, report=report)
        for report in runtestprotocol(item, log=False)
    ]
