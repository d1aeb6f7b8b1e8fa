"""The adjust requests of a chaos run, and their answers."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field

from lab.chaos import schedule
from lab.chaos.checks import NOT_ANSWERED, Asked
from lab.chaos.fault import Teller
from lab.cloud import Answer, Cloud, Size

ANSWER_SECONDS = 120.0
ADMITTED, FAILED, AWAY = 202, 500, 503
# Nova names the class of an error that nothing has caught.
OF_A_DATABASE = ("oslo_db.", "sqlalchemy.", "sqlite3.")


def teller_of(answer: Answer) -> Teller | None:
    """Return who has answered with a 5xx; None for any other answer.

    None too for a refusal of nova-xloud, which is 503 and whose message begins with its code.
    """
    if answer.status < FAILED or (answer.status == AWAY and answer.message.startswith("xloud.")):
        return None
    if any(word in answer.message for word in OF_A_DATABASE):
        return Teller.DATABASE
    # All errors of Nova have a message, and what is before it answers in other forms.
    return Teller.OURS if answer.message else Teller.IN_FRONT


@dataclass
class Requests:
    """The requests of one run for its servers.

    :ivar asked: what each server was asked for; the checks read it
    :ivar new_vcpus: by server: how many vCPUs were plugged since it was last started anew
    """

    cloud: Cloud
    servers: Sequence[str]
    asked: dict[str, Asked]
    new_vcpus: dict[str, int] = field(default_factory=dict)
    _vcpus: dict[str, int] = field(default_factory=dict)

    def send(self, one: schedule.Round, pool: Executor) -> dict[str, Future[Answer]]:
        """Ask each server for the size of the round, and return at once."""
        answers = {}
        for server, numbers in zip(self.servers, one.sizes, strict=True):
            size = Size(*numbers)
            self.asked[server].sizes.add(size)
            self.asked[server].requests.clear()
            grown = max(0, size.vcpus - self._vcpus.get(server, 1))
            self._vcpus[server] = size.vcpus
            self.new_vcpus[server] = self.new_vcpus.get(server, 0) + grown
            answers[server] = pool.submit(self.cloud.resize, server, size)
        return answers

    def not_admitted(self, answers: dict[str, Future[Answer]]) -> list[str]:
        """Wait for the answers, print them, and return the servers that were not answered 202."""
        wait(answers.values(), ANSWER_SECONDS)
        said, refused = [], []
        for server, future in answers.items():
            try:
                answer = future.result(0)
            except NOT_ANSWERED as error:
                said.append(type(error).__name__)
                refused.append(server)
                continue
            said.append(f"{answer.status} {answer.message}".strip())
            if not self._noted(server, answer):
                refused.append(server)
        print(f"     answers: {'; '.join(said)}", flush=True)
        return refused

    def failures(
        self, answers: Mapping[str, Future[Answer]], excused: Collection[Teller]
    ) -> list[str]:
        """Return the answers that are an error of nova-api itself, in words.

        :param answers: all are there, or none comes any more
        :param excused: who may have answered with an error because of the fault
        """
        wrong = []
        for server, future in answers.items():
            if not future.done() or future.exception() is not None:
                continue
            answer = future.result()
            teller = teller_of(answer)
            if teller is not None and teller not in excused:
                wrong.append(f"{server}: answered {answer.status} {answer.message}")
        return wrong

    def again(self, servers: Sequence[str], one: schedule.Round) -> list[str]:
        """Send the round's requests for some servers again; return those not admitted, in words."""
        wrong = []
        for server in servers:
            answer = self.cloud.resize(server, Size(*one.sizes[self.servers.index(server)]))
            if not self._noted(server, answer):
                wrong.append(f"{server}: asked again after all had recovered: {answer.message}")
        return wrong

    def _noted(self, server: str, answer: Answer) -> bool:
        if answer.status == ADMITTED:
            self.asked[server].requests.append(answer.headers["x-openstack-request-id"])
        return answer.status == ADMITTED
