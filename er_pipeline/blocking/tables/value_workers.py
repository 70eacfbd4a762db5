"""Value workers: processes that call a Python function on values, since Python uses one core.

A worker takes lists of texts by its standard input and gives the results by its standard output, in
their order. It is a program of its own, not a copy of this process: copying one whose threads run
may block it for ever, and starting one anew by multiprocessing would run the user's script again.
It ends with its input, so also when this process is killed.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

Call = Callable[[str], str | None]
Results = list[str | None]

# Beyond, reading and writing the values takes as long as the workers do.
MOST_WORKERS = 3
# Less text than that is not worth the way: a worker starts in 0.1 CPU s, and cleans a million
# characters in 0.1 to 0.3.
LEAST_CHARACTERS = 1_000_000


class ValueWorkers:
    """Some workers, started when they are first needed.

    processes: how many call the function, this one included.
    """

    def __init__(self, processes: int) -> None:
        """Start none yet."""
        self._n_workers = min(processes - 1, MOST_WORKERS)
        self._workers: list[subprocess.Popen[bytes]] | None = None
        self._known: Call | None = None

    def results(self, call: Call, values: Sequence[str]) -> Results:
        """Call a function on every value, in several processes if it can be handed over.

        What a worker cannot do is done here, so that errors are raised here.
        """
        workers = self._ready(call) if sum(map(len, values)) >= LEAST_CHARACTERS else []
        step = -(-len(values) // (len(workers) + 1)) or 1
        parts = [values[i : i + step] for i in range(step, len(values), step)]
        busy = [_sent(worker, list(part)) for worker, part in zip(workers, parts, strict=False)]
        try:
            results: Results = [call(value) for value in values[:step]]
            for worker, part, is_busy in zip(workers, parts, busy, strict=False):
                found = _received(worker) if is_busy else None
                if found is None:
                    self._give_up()
                    found = [call(value) for value in part]
                results += found
        except BaseException:
            self._give_up()  # what they still have to give is of this call
            raise
        return results

    def _give_up(self) -> None:
        self.close()
        self._n_workers = 0

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers or []:
            for end in (worker.stdin, worker.stdout):
                assert end, "both are pipes"
                with suppress(OSError):  # it is gone already
                    end.close()
            worker.wait()
        self._workers, self._known = None, None

    def _ready(self, call: Call) -> list[subprocess.Popen[bytes]]:
        """Give the workers, each knowing the function; none if it cannot be handed over."""
        if self._n_workers < 1:
            return []
        if self._workers is not None and self._known is call:
            return self._workers
        try:
            pickle.dumps(call)
            if self._workers is None:
                self._workers = [_started() for _ in range(self._n_workers)]
        except (pickle.PicklingError, AttributeError, TypeError):
            return []
        except OSError:  # no more processes: this one does it
            self._n_workers = 0
            return []
        self._known = call
        return [worker for worker in self._workers if _sent(worker, call)]


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: a module in the working directory is not taken for one of ours.
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def _sent(worker: subprocess.Popen[bytes], message: Any) -> bool:
    assert worker.stdin, "it is a pipe"
    try:
        pickle.dump(message, worker.stdin)
        worker.stdin.flush()
    except (OSError, ValueError):
        return False
    return True


def _received(worker: subprocess.Popen[bytes]) -> Results | None:
    assert worker.stdout, "it is a pipe"
    try:
        results: Results = pickle.load(worker.stdout)
    except (OSError, ValueError, EOFError, pickle.UnpicklingError):
        return None
    return results


def main() -> None:
    """Be a worker: read functions and lists of values, write the results of the latest function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    values, results = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever prints must not write among the results
    call: Call | None = None
    while True:
        try:
            message = pickle.load(values)
        except EOFError:
            return
        if not isinstance(message, list):
            call = message
            continue
        assert call, "a function comes first"
        try:
            pickle.dump([call(value) for value in message], results)
            results.flush()
        except Exception:  # the other process finds no results, calls it itself and says why
            os._exit(1)


if __name__ == "__main__":
    main()
