"""Give er-pipeline hostile declarations; each must be right, or refused in one sentence.

    python -m er_pipeline_tests.faults.hostile_yaml [NAME ...]

A declaration that is refused names the file and the line, says what to do, ends with an exit code
that is not 0, shows no traceback, steers no terminal, and takes less than 20 seconds and 1 GB.
Exits with 1 if one does not.
"""

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from er_pipeline_tests.faults.hostile_declarations import RIGHT, RUN, Case, cases

MOST_SECONDS = 20
MOST_MEBIBYTES = 1024
RECORDS = "id,name,zip,born\n" + "".join(
    f"{i},n{i % 60},{'AB1 2CD' if i == 77 else 10_000 + i % 40},1980-01-{1 + i % 28:02}\n"
    for i in range(400)
)


class Answer(NamedTuple):
    """What a command answered. code: its exit code, negative for a signal."""

    code: int
    text: str
    seconds: float
    mebibytes: float


def answer_of(case: Case, folder: Path) -> Answer:
    """Write a declaration into a folder beside its records, and run its command on it.

    In a fork, so that nothing is imported again, and nothing it does remains.
    """
    (folder / "people.csv").write_text(RECORDS)
    file = folder / "defs.yaml"
    file.write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
    arguments = [case.command, str(file)]
    if case.command == RUN:
        arguments += ["--lake", str(folder / "lake")]
    output = folder / "output"
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        _run_here(arguments, output, folder)
    deadline = began + MOST_SECONDS * 10  # a busy machine; the CPU time below is what counts
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.perf_counter() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    return Answer(
        os.waitstatus_to_exitcode(status),
        output.read_text("utf-8", errors="surrogateescape") if output.exists() else "",
        min(time.perf_counter() - began, used.ru_utime + used.ru_stime),
        used.ru_maxrss / 1024,
    )


def _run_here(arguments: Sequence[str], output: Path, folder: Path) -> None:
    from er_pipeline.terminal.cli import entry

    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS * 2, MOST_SECONDS * 2))
    os.chdir(folder)
    os.environ.pop("DAGSTER_HOME", None)
    place = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(place, 1)
    os.dup2(place, 2)
    sys.argv = ["er-pipeline", *arguments]
    entry()


def faults_of(case: Case, answer: Answer) -> list[str]:
    """Say what is wrong with an answer."""
    faults = []
    if answer.code < 0:
        faults.append(f"ended by signal {-answer.code}")
    if (answer.code == 0) != (case.says == RIGHT):
        faults.append(f"exit code {answer.code}")
    if case.says not in answer.text:
        faults.append(f"does not say {case.says!r}")
    if "Traceback" in answer.text or "Error occurred while" in answer.text:
        faults.append("a traceback")
    if case.says != RIGHT and case.command != RUN and "defs.yaml" not in answer.text:
        faults.append("names no file")
    if any(sign in answer.text for sign in ("\x1b", "\x07", "\x00")):
        faults.append("steers the terminal")
    if len(answer.text) > 20_000:
        faults.append(f"{len(answer.text):,} characters")
    if answer.seconds > MOST_SECONDS:
        faults.append(f"{answer.seconds:.0f} s")
    if answer.mebibytes > MOST_MEBIBYTES:
        faults.append(f"{answer.mebibytes:,.0f} MiB")
    return faults


def preload() -> None:
    """Import what the commands need, before the first fork; no database is opened yet."""
    import er_pipeline.orchestration.component
    import er_pipeline.terminal.cli
    import er_pipeline.terminal.declaration_check
    import er_pipeline.terminal.run  # noqa: F401


def main(names: Sequence[str]) -> int:
    """Try the named declarations, or all; return 1 if one has a fault."""
    preload()
    chosen = [case for case in cases() if not names or case.name in names]
    n_faulty = 0
    slowest, largest = 0.0, 0.0
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            answer = answer_of(case, Path(folder))
        faults = faults_of(case, answer)
        slowest, largest = max(slowest, answer.seconds), max(largest, answer.mebibytes)
        if faults:
            n_faulty += 1
            print(f"{case.name}: {'; '.join(faults)}\n{answer.text[:600]}\n", flush=True)
        elif names:
            print(f"{case.name}: {answer.text}", flush=True)
    print(
        f"{len(chosen)} declarations, {n_faulty} with a fault; the slowest took {slowest:.1f} s,"
        f" the largest {largest:,.0f} MiB"
    )
    return int(n_faulty > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
