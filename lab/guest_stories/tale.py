"""One server during its story: what is asked, what is printed, and what is not as expected."""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import libvirt

from lab import contents, guest
from lab.checker import Checker
from lab.cloud import Cloud, Size, Witnesses
from lab.errors import LabError, NotSettled
from lab.guest_stories import judge, shell
from lab.guest_stories.kinds import MINIMUM, Kind
from lab.operations import Operations

WAIT_SECONDS = 45.0
# A guest writes a report to its console every 5 s while it runs. A report that is older than this
# is of a guest that has died, and says what it had before.
SPEAKS_SECONDS = 6.0
CHECK_SECONDS = 10.0
# An admin is shown a traceback too, which says nothing to most people.
EVENT = shell.Filter(
    "jq -r '.events[] | .result, .details'",
    lambda output: "".join(
        f"{event['result']}\n{event['details'] or 'null'}\n"
        for event in json.loads(output)["events"]
    ),
)


@dataclass
class Tale:
    """One guest and its server: what is done to them, what came of it, and what was printed.

    :ivar problems: what was not as expected, in sentences
    :ivar transcript: the commands and what they printed
    :ivar acts_past_nova: the guest takes memory by itself about now. It is claimed at the next pass
        over the host; until then looks are not judged
    """

    cloud: Cloud
    checker: Checker
    name: str
    kind: Kind
    server: str = ""
    problems: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    acts_past_nova: bool = False
    _request: str = ""
    _checked: float = -math.inf
    _size: Size | None = None
    _moved: float = -math.inf

    @property
    def server_name(self) -> str:
        """The name of the server in Nova."""
        return f"guest-{self.name}"

    @property
    def operations(self) -> Operations:
        """Nova's operations, for a story that does something while a command waits."""
        return Operations(self.cloud)

    def begin(self) -> None:
        """Create the server, and wait until its guest has booted."""
        host = self.cloud.layout.computes[0].hostname
        self.cloud.delete_named(self.server_name)
        self.server = self.cloud.create(self.server_name, contents.DEMO.name, self.kind.image, host)
        self.say(f"the server runs; waiting for the condition {self.kind.at_first}")

        def booted() -> bool:
            true = self.cloud.conditions(self.server)
            return self.kind.at_first in true and "Booting" not in true

        self.cloud.wait(self.kind.at_first, booted, WAIT_SECONDS)
        if self.kind.at_first == "Converged":
            # The guest's own figures come some seconds later than libvirt's.
            self.sizes(Witnesses(MINIMUM, MINIMUM, MINIMUM))

    def end(self) -> None:
        """Delete the server."""
        self.cloud.delete_named(self.server_name)

    # What a user does.

    def adjust(
        self, sizes: str, code: int = 0, says: str = "", meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Run ``openstack server adjust`` with ``--wait``.

        :param sizes: the options, such as ``--vcpus 2``
        :param code: the exit code that is expected
        :param says: a text that the command has to print
        :param meanwhile: is called once while the command waits
        """
        words = ["server", "adjust", self.server_name, *sizes.split(), "--wait"]
        ran = self.run(*words, code=code, meanwhile=meanwhile)
        self._note(judge.not_said(ran.command, ran.output, says))
        if found := re.search(r"\(request (req-[-0-9a-f]+)\)", ran.output):
            self._request = found[1]

    def show(self, says: str = "") -> None:
        """Run ``openstack server adjust show``.

        :param says: a text that the command has to print
        """
        ran = self.run("server", "adjust", "show", self.server_name)
        self._note(judge.not_said(ran.command, ran.output, says))

    def event(self, result: str, says: str = "") -> None:
        """Wait for the end of the last adjustment's instance action, and show its events.

        :param result: the result that is expected, ``Success`` or ``Error``
        :param says: a text that the command has to print
        """
        self.wait(
            f"the instance action of {self._request} to end",
            lambda: all(how for how, _ in self.cloud.outcomes(self.server, self._request)),
        )
        words = ["server", "event", "show", self.server_name, self._request]
        ran = self.run(*words, "-f", "json", "-c", "events", only=EVENT)
        self._note(judge.not_said(ran.command, ran.output, result))
        self._note(judge.not_said(ran.command, ran.output, says))

    def reboot_hard(self) -> None:
        """Run ``openstack server reboot --hard``, the way out of much."""
        self.run("server", "reboot", "--hard", "--wait", self.server_name)

    def run(
        self,
        *words: str,
        code: int = 0,
        meanwhile: Callable[[], None] | None = None,
        only: shell.Filter | None = None,
    ) -> shell.Ran:
        """Run an ``openstack`` command, look at the server meanwhile, and print what it says.

        :param only: what of the output is printed
        """
        left = [meanwhile] if meanwhile else []

        def look() -> None:
            if left:
                left.pop()()
            self.look()

        self.say(f"openstack {' '.join(words)}")
        ran = shell.openstack(self.cloud.layout, words, look)
        if only is not None and ran.code == 0:
            ran = only.of(ran)
        self._tell(ran.transcript)
        self._note(judge.wrong_code(ran.command, ran.code, code))
        self.look_closely()
        return ran

    # What has to be.

    def true(self, seconds: float = WAIT_SECONDS, **conditions: str) -> None:
        """Wait until just these conditions are true, with these reasons."""
        self._until(
            f"waiting for {', '.join(conditions)}",
            lambda: judge.wrong_conditions(self.cloud.conditions(self.server), conditions),
            seconds,
        )

    def told(self, kind: str) -> None:
        """Wait until a condition of this kind is true, beside any others."""
        self._until(
            f"waiting for {kind}",
            lambda: judge.not_true(self.cloud.conditions(self.server), kind),
            WAIT_SECONDS,
        )

    def converged(self, size: Size, online: int | None = None) -> None:
        """Wait until the server has this size, according to all sources, and no other condition.

        :param online: how many CPUs the guest itself reports; default: all of them
        """
        says = Size(size.vcpus if online is None else online, size.memory_mb)
        self.sizes(Witnesses(size, size, says))
        self.true(Converged="xloud.converged")

    def sizes(self, expected: Witnesses, seconds: float = WAIT_SECONDS) -> None:
        """Wait until Placement, libvirt and the guest have the size that is expected of each."""
        self._until(
            f"waiting until Placement, libvirt and the guest have {expected.placement}",
            lambda: judge.wrong_sizes(self._witnesses(), expected),
            seconds,
        )

    def claimed(self, size: Size) -> None:
        """Wait until Placement has allocated this size for the server; looks count then."""
        self._until(
            f"waiting until Placement has {size}",
            lambda: judge.wrong_claim(self.cloud.claimed(self.server), size),
            WAIT_SECONDS,
        )
        self.acts_past_nova = False

    def wait(self, what: str, probe: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        """Wait until ``probe`` returns something true, and look at the server meanwhile.

        :raises NotSettled: it does not in time
        """

        def probe_or_look() -> object:
            found = probe()
            if not found:
                self.look_closely()
            return found

        self.cloud.wait(what, probe_or_look, seconds)

    def look(self) -> None:
        """Note it if Placement has less than the guest holds."""
        if self.acts_past_nova:
            return
        cloud, server = self.cloud, self.server
        booting = "Booting" in cloud.conditions(server)
        before = cloud.claimed(server)
        actuated, console = self._actuated(), self._console(SPEAKS_SECONDS)
        if actuated != self._size:
            self._size, self._moved = actuated, time.monotonic()
        if time.monotonic() - self._moved < SPEAKS_SECONDS:
            # What the guest has reported last may be of the size before.
            console = None
        seen = judge.Look(before, actuated, console, cloud.claimed(server), booting)
        self._note(judge.too_little(seen))

    def look_closely(self) -> None:
        """Look, and note it if an invariant is broken: at most every ``CHECK_SECONDS``."""
        self.look()
        if not self.acts_past_nova and time.monotonic() - self._checked > CHECK_SECONDS:
            self.check()

    def check(self) -> None:
        """Note it if an invariant is broken."""
        verdict = self.checker.ask("--format", "json")
        self._checked = time.monotonic()
        self._note(judge.broken_rules(json.loads(verdict.text)) if verdict.code else "")

    def say(self, text: str) -> None:
        """Print a line of progress."""
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def comment(self, text: str) -> None:
        """Put a line into the transcript that says what is done beside the commands."""
        self._tell(f"# {text}\n")

    def _tell(self, text: str) -> None:
        self.transcript.append(text)
        print("".join(f"    {line}\n" for line in text.splitlines()), end="", flush=True)

    def _note(self, problem: str) -> None:
        if problem and problem not in self.problems:
            self.problems.append(problem)
            print(f"    NOT AS EXPECTED: {problem}", flush=True)

    def _until(self, what: str, wrong: Callable[[], str], seconds: float) -> None:
        """Wait until nothing is wrong, and note what still is when the time is over."""
        self.say(what)
        try:
            self.wait(what, lambda: not wrong(), seconds)
        except NotSettled:
            self._note(wrong())

    def _witnesses(self) -> Witnesses:
        cloud, server = self.cloud, self.server
        return Witnesses(cloud.claimed(server), self._actuated(), self._console())

    def _actuated(self) -> Size | None:
        """Return the size that libvirt reports; None also while the domain is defined anew."""
        try:
            return self.cloud.actuated(self.server)
        except libvirt.libvirtError:
            return None

    def _console(self, not_older: float = math.inf) -> Size | None:
        """Return the size in the guest's last report: from the file, as Nova's API takes long.

        :param not_older: seconds; an older report does not count
        """
        path = self.cloud.layout.instances / self.server / "console.log"
        try:
            if time.time() - path.stat().st_mtime > not_older:
                return None
            report = guest.last_report(path.read_bytes())
        except OSError as error:
            raise LabError(f"the console of {self.server_name} cannot be read: {error}") from error
        return Size(report.cpus, report.held_mb) if report else None
