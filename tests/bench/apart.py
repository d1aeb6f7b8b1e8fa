"""What needs Nova in its process is done in a process of its own: importing Nova patches Python."""

import importlib
import multiprocessing
import traceback


def run(job, *arguments):
    """Have a fresh process, with nova-xloud installed in its Nova, call a function.

    :param job: ``"module:function"``; its arguments and what it returns are pickled
    :return: what it returns
    :raises RuntimeError: it failed; the traceback is in the message
    """
    spawned = multiprocessing.get_context("spawn")
    ours, theirs = spawned.Pipe()
    process = spawned.Process(target=_run, args=(job, arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        found, failure = ours.recv()
    except EOFError:
        raise RuntimeError(f"the process of {job} has ended; stderr says why") from None
    finally:
        # It has said all that it has to say.
        process.kill()
        process.join()
    if failure:
        raise RuntimeError(failure)
    return found


def _run(job, arguments, pipe):
    try:
        import tests.conftest  # noqa: F401
        from nova_xloud.seams.install import install

        install()
        module, _, name = job.partition(":")
        pipe.send((getattr(importlib.import_module(module), name)(*arguments), None))
    except Exception:  # noqa: BLE001
        pipe.send((None, traceback.format_exc()))
