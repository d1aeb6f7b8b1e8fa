# SPDX-License-Identifier: Apache-2.0
"""The bounded pool in which instances converge, so that no RPC thread waits for a guest."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from nova_xloud.compute.converge import Clock, Outcome, converge
from nova_xloud.compute.ports import Instance
from nova_xloud.conf import EngineOptions
from nova_xloud.errors import AdjustmentDeferred, XloudError

LOG = logging.getLogger(__name__)


class Worker:
    """Runs :func:`converge` for many instances, a few at a time.

    Its threads are begun by the first submission, so it may be made before a service forks.
    """

    def __init__(
        self,
        options: EngineOptions,
        run: Callable[[Instance, EngineOptions, Clock], Outcome] = converge,
    ) -> None:
        self._options = options
        self._closing = threading.Event()
        self._clock = Clock(sleep=self._closing.wait, closing=self._closing.is_set)
        self._run = run
        self._pool = ThreadPoolExecutor(
            max_workers=options.converge_workers, thread_name_prefix="xloud-converge"
        )

    def submit(self, instance: Instance, event: str | None = None) -> Future[Outcome]:
        """Converge ``instance``; the result or error is in the future, and in the log.

        :param event: record the run as this event of the instance action that asked for it
        """
        return self._pool.submit(self._converge, instance, event)

    def close(self) -> None:
        """Let runs end where they are; what is left is found by whoever looks next."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _converge(self, instance: Instance, event: str | None) -> Outcome:
        try:
            with instance.actions.event(event) if event else contextlib.nullcontext():
                outcome = self._run(instance, self._options, self._clock)
                if outcome.deferred and event:
                    # Nova knows Success and Error only, and a success this is not.
                    raise AdjustmentDeferred(outcome.deferred)
        except AdjustmentDeferred as deferred:
            LOG.info("Instance %s: %s.", instance.uuid, deferred)
            return outcome
        except XloudError as error:
            # What a guest or a full host did is not a fault of this service: no traceback.
            LOG.warning("Instance %s did not reach its desired size: %s", instance.uuid, error)
            raise
        except Exception:
            LOG.exception("Instance %s: converging failed.", instance.uuid)
            raise
        LOG.info(
            "Instance %s: %s.", instance.uuid, outcome.deferred or "has reached its desired size"
        )
        return outcome
