# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin that writes down each verdict as it falls, and runs chosen tests only.

NOVA_XLOUD_VERDICTS names the file to write, one JSON object a line: ``{"id", "verdict",
"message"}`` of a test, the same with ``"module"`` for ``"id"`` of a module that could not be
collected, and ``{"exit"}`` at the end. With :mod:`tests.nova_own.grown.plugin` a test has also
``"grown"``: ``{"servers", "why_not"}``. NOVA_XLOUD_ONLY names a file with ids, one a line.
"""

import json
import os
import pathlib

MESSAGE_LENGTH = 300


class Recorder:
    """Writes the reports that reach this process: with xdist those of all workers."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def _write(self, **record):
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def pytest_runtest_logreport(self, report):
        # Set-up and tear-down that went well say nothing about the test.
        if report.when == "call" or report.outcome != "passed":
            told = dict(report.user_properties)
            grown = {"grown": told["grown"]} if "grown" in told else {}
            name = test_id(report.nodeid)
            self._write(id=name, verdict=report.outcome, message=_why(report), **grown)

    def pytest_collectreport(self, report):
        if report.failed:
            self._write(module=test_id(report.nodeid), verdict="failed", message=_why(report))

    def pytest_sessionfinish(self, exitstatus):
        self._write(exit=int(exitstatus))


def pytest_configure(config):
    path = os.environ.get("NOVA_XLOUD_VERDICTS")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(path))


def pytest_collection_modifyitems(config, items):
    path = os.environ.get("NOVA_XLOUD_ONLY")
    if not path:
        return
    only = set(pathlib.Path(path).read_text().splitlines())
    others = [item for item in items if test_id(item.nodeid) not in only]
    items[:] = [item for item in items if test_id(item.nodeid) in only]
    config.hook.pytest_deselected(items=others)


def test_id(nodeid):
    """``nova/tests/...``, wherever Nova is installed."""
    _, found, rest = nodeid.partition("nova/tests/")
    return found + rest or nodeid


def _why(report):
    """The last line that says something: testtools puts what was logged before it, and brackets."""
    if report.outcome == "passed":
        return ""
    lines = [line for line in report.longreprtext.splitlines() if line.strip(" {}")]
    return lines[-1].strip()[:MESSAGE_LENGTH] if lines else ""
