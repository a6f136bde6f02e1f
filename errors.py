"""The errors a user can cause or meet. Each is one sentence: what, where, what to do."""


class A2pipeError(Exception):
    """Any expected failure; the command line prints its message and exits with `exit_code`."""

    exit_code = 1


class UsageError(A2pipeError):
    """The request itself is wrong: a name, a key, a path, a value."""

    exit_code = 2


class NotCachedError(A2pipeError):
    """What was asked for has not been computed (or is not in this cache)."""

    exit_code = 4


class BadImageError(A2pipeError):
    """An image file cannot be decoded; the message is the reason alone, without the path."""


class UnwritableError(A2pipeError):
    """A folder or file that this user may only read."""


class DamagedError(A2pipeError):
    """Stored bytes do not match their checksum."""


def first_line(error: BaseException) -> str:
    """What an error of a library has to say, on one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
