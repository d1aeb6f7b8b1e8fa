# SPDX-License-Identifier: Apache-2.0
"""One run of pytest over Nova's tests, in a process of its own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.nova_own import source
from tests.nova_own.subsets import nova_tests
from tests.nova_own.verdicts import Broken, Run, read

CLONE = pathlib.Path(__file__).parents[2]
PROGRESS_SECONDS = 30
# Nova's fixture has a test that hangs fail after so long, instead of all of them waiting for it.
TEST_TIMEOUT = "300"


@dataclass(frozen=True)
class Pytest:
    """How to run it.

    :ivar folder: where verdicts and logs go
    :ivar workers: processes of xdist; 0 is none
    :ivar grown: whether each run that is not stock has grown instances
    """

    folder: pathlib.Path
    workers: int
    grown: bool = False

    def run(
        self,
        name: str,
        files: Sequence[pathlib.Path],
        *,
        stock: bool,
        only: Collection[str] | None = None,
    ) -> Run:
        """Run the tests of ``files``, or ``only`` some of them, and tell how far it is.

        :param name: of this run: that of its verdicts and of its log
        :raises Broken: it did not come to its end; says where the log is
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        verdicts = self.folder / f"{name}.jsonl"
        verdicts.write_text("")
        log = self.folder / f"{name}.log"
        environment = _environment(stock, verdicts)
        root = nova_tests().parents[1]
        if source.is_wanted(files):
            root = source.tree(self.folder.parent / "source")
            files = [source.in_tree(root, file) for file in files]
            environment["PYTHONPATH"] = f"{root}{os.pathsep}{environment.get('PYTHONPATH', '')}"
        if only is not None:
            chosen = self.folder / f"{name}.only"
            chosen.write_text("\n".join(sorted(only)))
            environment["NOVA_XLOUD_ONLY"] = str(chosen)
        with log.open("w") as output:
            process = subprocess.Popen(
                self._command(root, files, grown=self.grown and not stock),
                cwd=CLONE,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _wait(process, name, verdicts)
        try:
            return read(verdicts.read_text().splitlines())
        except Broken as error:
            raise Broken(f"{name}: {error}. See {log}") from error

    def _command(
        self, root: pathlib.Path, files: Sequence[pathlib.Path], *, grown: bool
    ) -> list[str]:
        plugins = ["tests.nova_own.plugin", "tests.nova_own.recorder", "no:cacheprovider"]
        if grown:
            plugins.insert(1, "tests.nova_own.grown.plugin")
        return [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--tb=short",
                "--continue-on-collection-errors",
            ),
            *(f"-p{plugin}" for plugin in plugins),
            # The ids of tests have the names of modules only where those are below the rootdir.
            *("-c", str(CLONE / "pyproject.toml"), f"--rootdir={root}"),
            f"-n{self.workers}",
            *map(str, files),
        ]


def _environment(stock: bool, verdicts: pathlib.Path) -> dict[str, str]:
    environment = {
        **os.environ,
        # Names of parametrised tests come from sets: xdist's workers have to agree on them.
        "PYTHONHASHSEED": "0",
        "OS_TEST_TIMEOUT": TEST_TIMEOUT,
        "NOVA_XLOUD_VERDICTS": str(verdicts),
        "NOVA_XLOUD_STOCK": "1" if stock else "0",
    }
    environment.pop("NOVA_XLOUD_ONLY", None)
    return environment


def _wait(process: subprocess.Popen[bytes], name: str, verdicts: pathlib.Path) -> None:
    began = time.monotonic()
    try:
        while True:
            try:
                process.wait(PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                _say(name, verdicts, began)
                # Before Nova 34 eventlet waits at the exit for threads that a test has left.
                if '"exit": ' in verdicts.read_text():
                    break
    finally:
        process.kill()
        process.wait()
    _say(name, verdicts, began)


def _say(name: str, verdicts: pathlib.Path, began: float) -> None:
    text = verdicts.read_text()
    tests, failed = text.count('"id": '), text.count('"verdict": "failed"')
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    sys.stderr.write(f"  {minutes:3}:{seconds:02}  {name}: {tests} tests, {failed} failed\n")
    sys.stderr.flush()
