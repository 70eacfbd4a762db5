"""Exit codes: what the shell learns from a command."""

OK = 0
FAILED = 1  # a check failed, or the records or the tables in the lake are wrong
WRONG_USE = 2  # the command line or the defs.yaml is wrong
STOPPED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE

EXIT_CODES = """Exit codes
  0    all is well: every check that stops a run has passed
  1    a check failed, or the records or the tables in the lake are wrong
  2    wrong use: an unknown option, a --select that selects nothing, a
       defs.yaml that is missing or wrong, a file to import that is missing
  130  stopped by Ctrl-C
  141  the output was closed before its end, as by head

The answer goes to stdout; progress and errors go to stderr."""


# What DuckDB raises when Ctrl-C stops a query: a RuntimeError of this text.
QUERY_INTERRUPTED = "Query interrupted"


class UsageError(Exception):
    """The command line is wrong: names the argument and what could stand there instead."""


def exit_code_of(error: Exception) -> int | None:
    """Return the exit code of an error meant for the user; None for any other."""
    if isinstance(error, UsageError):
        return WRONG_USE
    if isinstance(error, RuntimeError) and QUERY_INTERRUPTED in str(error):
        return STOPPED
    # Imported only now: it brings DuckDB and pydantic, which --help can do without.
    from er_pipeline.blocking.tables.errors import BlockingError, SpecError

    if isinstance(error, SpecError):
        return WRONG_USE
    return FAILED if isinstance(error, BlockingError) else None
