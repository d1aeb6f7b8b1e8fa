"""The errors that the lab raises.

LabError
 +-- ServiceFailed     a daemon ended, or was not healthy in time
 +-- CommandFailed     a command ended with an error, or did not end in time
 +-- NotSettled        the cloud did not reach the state that was waited for in time
"""


class LabError(Exception):
    """Base of the lab's errors, which are printed for the user without a traceback."""


class ServiceFailed(LabError):
    """A daemon ended, or was not healthy in time."""


class CommandFailed(LabError):
    """A command ended with an error, or did not end in time."""


class NotSettled(LabError):
    """The cloud did not reach the state that was waited for in time."""
