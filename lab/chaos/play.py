"""Plays the rounds of a schedule: causes the faults, sends the requests, and checks the cloud."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.chaos import schedule
from lab.chaos.checks import NOT_ANSWERED, Checks, polled
from lab.chaos.fault import Fault, Stage
from lab.chaos.requests import Requests
from lab.chaos.table import Trial
from lab.cloud import Answer
from lab.errors import LabError
from lab.operations import Operations

# From then on a condition may explain a server that does not have its desired size.
EXPLAINED_SECONDS = 60.0
# Within these seconds the cloud has to recover.
RECOVERY_SECONDS = 180.0
POLL_SECONDS = 1.0
# Without KVM a QEMU aborts at more new vCPUs than the flavor's maximum (lab.contents), so a server
# is started anew before that.
MOST_NEW_VCPUS = 24


@dataclass
class Play:
    """The rounds of one run on its servers.

    :ivar played: the rounds that have begun
    :ivar judged: for each check of the invariants in this round, whether all was judged
    """

    checks: Checks
    requests: Requests
    faults: dict[str, Fault]
    played: list[schedule.Round] = field(default_factory=list)
    judged: list[bool] = field(default_factory=list)

    def rounds(self, seed: int, seconds: float) -> Iterator[Trial]:
        """Play rounds of a seed, and yield how each went, until the time is over.

        :raises LabError: the servers are not as they have to be between two rounds
        """
        self._begin()
        until = time.monotonic() + seconds
        ways = {name: fault.way for name, fault in self.faults.items()}
        alone = [name for name, fault in self.faults.items() if fault.alone]
        for one in schedule.rounds(seed, ways, len(self.requests.servers), alone):
            if time.monotonic() > until:
                return
            print(one, flush=True)
            self.played.append(one)
            trial = self._play(one)
            yield trial
            if trial.seconds is None:
                print("     not recovered: the run ends here", flush=True)
                return
            self._start_anew()

    def _begin(self) -> None:
        """Bring all servers to the size that the schedule begins with."""
        self._settle_or_end("before the first round")
        first = (schedule.SIZES[schedule.FIRST],) * len(self.requests.servers)
        with ThreadPoolExecutor(len(first)) as pool:
            answers = self.requests.send(schedule.Round(0, (), 0, first, 0.0), pool)
        if refused := self.requests.not_admitted(answers):
            raise LabError(f"the first requests of {', '.join(refused)} were not admitted")
        self._settle_or_end("before the first round")

    def _settle_or_end(self, when: str) -> None:
        _, left = self._settle(when)
        if left:
            raise LabError(f"the run ends {when}, as not all has recovered: {'; '.join(left)}")

    def _settle(self, when: str) -> tuple[float | None, list[str]]:
        """Wait until all is as it has to be; return the seconds, or None, and what is not."""
        began = time.monotonic()
        last: list[str] = []

        def problems(explained: bool) -> list[str]:
            found = self.checks.problems(explained=explained)
            last[:] = found or last
            return found

        def patience() -> tuple[bool, bool]:
            passed = time.monotonic() - began
            return passed > EXPLAINED_SECONDS, passed > RECOVERY_SECONDS

        left = polled(problems, patience, lambda: time.sleep(POLL_SECONDS))
        for problem in left:
            print(f"     {when}: {problem}", flush=True)
        if last and not left:
            print(f"     the last to recover: {'; '.join(last)}", flush=True)
        return (None if left else time.monotonic() - began), left

    def _play(self, one: schedule.Round) -> Trial:
        cloud = self.checks.cloud
        target = self.requests.servers[one.target]
        supervisor = self.checks.supervisor
        stage = Stage(cloud.layout, cloud, Operations(cloud), supervisor, target)
        with ThreadPoolExecutor(len(self.requests.servers)) as pool:
            answers, violations = self._break(one, stage, pool)
            began = time.monotonic()
            if not any(self.faults[name].seconds for name in one.faults):
                violations += self._broken(one, stage, "just after it")
            violations += _lent(stage)
            # A request whose compute host has died is answered after all else has recovered.
            answered = all(answer.done() for answer in answers.values())
            refused = self.requests.not_admitted(answers) if answered else []
            settled, left = self._settle("not recovered")
            took = None if settled is None else time.monotonic() - began
            refused = refused if answered else self.requests.not_admitted(answers)
        violations += left
        excused = frozenset().union(*(self.faults[name].may_answer for name in one.faults))
        violations += self.requests.failures(answers, excused)
        if took is not None and (refused or not answered):
            violations += self.requests.again(refused, one)
            violations += self._settle("after the answers")[1]
        missed = f", not reached: {', '.join(stage.missed)}" if stage.missed else ""
        print(f"     {took if took is None else round(took, 1)} s{missed}", flush=True)
        for violation in violations:
            print(f"     VIOLATION: {violation}", flush=True)
        judged, self.judged = tuple(self.judged), []
        return Trial(" + ".join(one.faults), took, tuple(violations), not stage.missed, judged)

    def _break(
        self, one: schedule.Round, stage: Stage, pool: ThreadPoolExecutor
    ) -> tuple[dict[str, Future[Answer]], list[str]]:
        """Cause the faults of a round, ask for its sizes, and return when the faults are over."""
        chosen = [self.faults[name] for name in one.faults]
        with ExitStack() as begun:
            for fault in (fault for fault in chosen if fault.first):
                _enter(begun, fault, stage)
            answers = self.requests.send(one, pool)
            time.sleep(one.lead)
            for fault in (fault for fault in chosen if not fault.first):
                _enter(begun, fault, stage)
            ends = time.monotonic() + max(fault.seconds for fault in chosen)
            violations = self._broken(one, stage, "while it lasted")
            time.sleep(max(0.0, ends - time.monotonic()))
        return answers, violations

    def _broken(self, one: schedule.Round, stage: Stage, when: str) -> list[str]:
        """Judge the invariants; return which are broken, and what is not read without a reason."""
        if stage.broken_by_hand:
            self.judged.append(False)
            return []
        blinded = any(self.faults[name].blinds for name in one.faults)
        judgement = self.checks.judge(blinded=blinded)
        self.judged.append(judgement.is_whole)
        for unread in judgement.unread:
            print(f"     {when}, not judged: {unread}", flush=True)
        wrong = [] if blinded else [f"not judged: {unread}" for unread in judgement.unread]
        return [f"{when}: {broken}" for broken in (*judgement.broken, *wrong)]

    def _start_anew(self) -> None:
        operations = Operations(self.checks.cloud)
        for server in self.requests.servers:
            if self.requests.new_vcpus.get(server, 0) > MOST_NEW_VCPUS:
                operations.stop(server)
                operations.start(server)
                self.requests.new_vcpus[server] = 0
                self._settle_or_end(f"after a restart of {server}")


def _enter(begun: ExitStack, fault: Fault, stage: Stage) -> None:
    try:
        begun.enter_context(fault.begin(stage))
    except NOT_ANSWERED as error:
        # The other fault of this round may have broken what this one needs.
        print(f"     {fault.name} could not be caused: {error}", flush=True)
        stage.missed.append(fault.name)


def _lent(stage: Stage) -> Sequence[str]:
    """Do what a user or operator has to do after the fault; return what was refused."""
    wrong = []
    for hand in stage.hands:
        try:
            hand()
        except NOT_ANSWERED as error:
            wrong.append(f"after it, by hand: {type(error).__name__}: {error}")
    return wrong
