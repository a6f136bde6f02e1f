"""These are the errors that a user can cause or meet.

The message of each is one sentence: what is wrong, where, and what to do. The command line prints
it without a traceback; a library's own exception is turned into one of these where it is met.
"""


class A2pipeError(Exception):
    """An A2pipeError is an expected failure; the command line exits with its `exit_code`."""

    exit_code = 1


class UsageError(A2pipeError):
    """The request itself is wrong: a name, a key, a path, a value."""

    exit_code = 2


class NotCachedError(A2pipeError):
    """It is raised where what was asked for has not been computed, or is not in this cache."""

    exit_code = 4


class BadImageError(A2pipeError):
    """An image file cannot be decoded; the message is the reason alone, without the path."""


class UnwritableError(A2pipeError):
    """A folder or file may only be read by this user."""


class DamagedError(A2pipeError):
    """Stored bytes do not match their checksum."""


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error, or the name of its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
