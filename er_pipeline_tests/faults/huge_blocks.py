"""Declarations whose pairs would never end: each must stop before the join, its culprit named.

    python -m er_pipeline_tests.faults.huge_blocks [--records N] [--texts N] [part of a name]

Every case is a run of the command in a process of its own. It holds if it ends with exit code 1, or
2 where the declaration is refused, with an error that names the strategy, what it costs and the
cure; if there is no table of pairs; and if it takes 15 s of CPU once the records are cleaned, and
1 GiB. The exit code is 1 if one does not hold.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from er_pipeline.blocking.spec.problems import MOST_DECLARED

MOST_SECONDS, MOST_MIB = 15, 1024  # seconds of CPU: others may use the machine
ALL_ARE_READ = re.compile(r"^ *cleaned_records +[\d,]+ rows")
TICKS = os.sysconf("SC_CLK_TCK")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Huge:
    """Rows of (name, city), a declaration, and what the error must say, as regular expression."""

    name: str
    rows: Callable[[], Iterable[tuple[str, str]]]
    error: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stop:
    """How a run ended. after: seconds of wall and of CPU since the records are cleaned."""

    fault: str
    said: str
    seconds: float
    cpu_seconds: float
    after: tuple[float, float]
    mib: float


def cases(n_records: int, n_texts: int) -> Iterator[Huge]:
    """Give the declarations; n_texts: records of those with 500 characters."""

    def in_one_key(share: float) -> Callable[[], Iterable[tuple[str, str]]]:
        return lambda: (
            ("ann smith" if i < share * n_records else f"n{i}", f"c{i % 977}")
            for i in range(n_records)
        )

    # 20,000,000 pairs, the default, of a million records.
    no_cap = {"blocks": {"max_size": None}, "checks": {"max_pairs": 20 * n_records}}
    whole = {"strategies": {"name": "name"}}
    yield Huge(
        "equal records",
        lambda: (("ann smith", "york") for _ in range(n_records)),
        rf"100\.00% of the records.*name dropped {n_records * (n_records - 1) // 2:,} pairs",
        whole,
    )
    yield Huge(
        "equal records, no cap",
        lambda: (("ann smith", "york") for _ in range(n_records)),
        rf"most expensive is name with {n_records * (n_records - 1) // 2:,}; lower blocks",
        whole | no_cap,
    )
    yield Huge(
        "90% in one key",
        in_one_key(0.9),
        r"90\.00% of the records.*name dropped [\d,]+ pairs.*See dropped_blocks",
        whole,
    )
    yield Huge("90% in one key, no cap", in_one_key(0.9), r"expensive is name with", whole | no_cap)
    many = {f"s{i}": f"left(name, {i + 1})" for i in range(200)}
    yield Huge("200 strategies", in_one_key(0.9), r"200 strategies", {"strategies": many})
    yield Huge(
        "as many strategies as there may be",
        lambda: ((f"n{i % 50} {i}", f"c{i % 977}") for i in range(n_records // 10)),
        r"expensive is s\d+ with [\d,]+; lower blocks",
        {"strategies": dict(list(many.items())[:MOST_DECLARED])} | no_cap,
    )
    yield Huge(
        "q-grams of long texts",
        lambda: ((f"n{i}", text) for i, text in enumerate(_texts(n_texts))),
        r"strategy 'grams': qgrams\(city, 3\).* keys on average.*memberships.*Take a shorter field",
        {
            "strategies": {"name": "name", "grams": "qgrams(city, 3)"},
            "checks": {"max_memberships": 250 * n_texts},  # the default, of 200,000
        },
    )


def _texts(n_texts: int) -> Iterator[str]:
    """Give texts of 500 characters, in words of 2 to 9."""
    chance = random.Random(7)
    for _ in range(n_texts):
        words, length = [], 0
        while length < 500:
            words.append("".join(chance.choices(LETTERS, k=chance.randint(2, 9))))
            length += len(words[-1]) + 1
        yield " ".join(words)[:500]


def stop(huge: Huge, folder: Path) -> Stop:
    """Run a case in an empty folder."""
    with (folder / "p.csv").open("w") as file:
        file.write("id,name,city\n")
        file.writelines(f"{i},{name},{city}\n" for i, (name, city) in enumerate(huge.rows()))
    attributes = {
        "dataset": "huge",
        "sources": [{"path": "p.csv"}],
        "fields": {"name": "text", "city": "text"},
        **huge.settings,
    }
    document = {"type": "er_pipeline.BlockingPipeline", "attributes": attributes}
    (folder / "defs.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    command = [sys.executable, "-m", "er_pipeline.terminal.cli", "run", "defs.yaml"]
    began = read = time.monotonic()
    cpu_read, mib, said = 0.0, 0.0, ""
    with subprocess.Popen(
        [*command, "--lake", "lake"],
        cwd=folder,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:
        assert process.stderr
        for line in process.stderr:
            mib = max(mib, _peak_mib(process.pid))
            if ALL_ARE_READ.match(line):
                read, cpu_read = time.monotonic(), _cpu_seconds(process.pid)
            if line.startswith("error: ") or line.lstrip().startswith("[FAILED]"):
                said += line.strip() + " "
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    ended, cpu = time.monotonic(), usage.ru_utime + usage.ru_stime
    after = (ended - read, cpu - cpu_read)
    fault = ""
    if process.returncode not in (1, 2):
        fault = f"ended with exit code {process.returncode}"
    elif not re.search(huge.error, said):
        fault = f"the error does not match {huge.error!r}"
    elif any((folder / "lake").glob("*/unified_pairs")):
        fault = "pairs were made"
    elif after[1] > MOST_SECONDS:
        fault = f"took {after[1]:.0f} s of CPU after reading"
    elif mib > MOST_MIB:
        fault = f"took {mib:,.0f} MiB"
    return Stop(fault, said, ended - began, cpu, after, mib)


def _cpu_seconds(pid: int) -> float:
    """Return what a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _peak_mib(pid: int) -> float:
    """Return the most memory that a process has had so far; 0 once it has ended.

    Its resource usage would begin with the memory of the process that started it.
    """
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(peak[1]) / 1024 if peak else 0.0


def main() -> int:
    """Run the cases whose name has a part; print a line for each, and a total."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=200_000)
    given = parser.parse_args()
    tried = [huge for huge in cases(given.records, given.texts) if given.part in huge.name]
    held = 0
    for huge in tried:
        with tempfile.TemporaryDirectory(prefix="huge_") as folder:
            found = stop(huge, Path(folder))
        held += not found.fault
        print(
            f"{'FAULT' if found.fault else 'stopped':8}{found.seconds:6.1f} s"
            f" {found.cpu_seconds:6.1f} s CPU; after reading {found.after[0]:5.1f} s"
            f" {found.after[1]:5.1f} s CPU; {found.mib:5.0f} MiB  {huge.name}"
            f"  {found.fault} {found.said[:300]}",
            flush=True,
        )
    print(f"{held} of {len(tried)} declarations held")
    return 0 if held == len(tried) else 1


if __name__ == "__main__":
    raise SystemExit(main())
