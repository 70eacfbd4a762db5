"""What can go wrong, said so that the reader knows what to do next."""


class BlockingError(Exception):
    """Base of every error this package raises on purpose; its text is meant for the user."""


class SpecError(BlockingError):
    """A dataset's declaration is wrong: names the file, the line and what to write instead."""


class InputError(BlockingError):
    """The user's records are wrong: names the file, the row or column, and what to do."""


class LakeError(BlockingError):
    """A table that is needed is missing or does not belong to the others."""


class BudgetError(BlockingError):
    """There are, or would be, more pairs than a budget allows."""


def first_line(error: BaseException) -> str:
    """Return the first paragraph of another library's error, on one line."""
    return " ".join(str(error).split("\n\n")[0].split())[:400]
