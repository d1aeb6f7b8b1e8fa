"""What the lab raises. Every message says what to do or where to look next.

LabError
 +-- ServiceFailed     a daemon ended, or did not answer within its time
 +-- CommandFailed     a one-shot command ended with an error
 +-- NotSettled        a cloud did not reach the awaited state within the deadline
"""


class LabError(Exception):
    """Base of the lab's errors, which are printed for the user without a traceback."""


class ServiceFailed(LabError):
    """A daemon ended, or did not become healthy within its time."""


class CommandFailed(LabError):
    """A one-shot command ended with an error."""


class NotSettled(LabError):
    """The cloud did not reach the awaited state within the deadline."""
