import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
from er_pipeline_tests.projects import COMMAND, command, environment


@pytest.mark.parametrize("n_records", [1, 10_000, 10_000_000])
def test_a_demo_of_any_size_is_a_valid_declaration_with_a_budget_to_match(n_records: int) -> None:
    spec = read_spec(DEMO_DEFS, demo_overrides(n_records, seed=7))
    generated = spec.sources[0].generate
    assert generated is not None
    assert (generated.records, generated.seed) == (n_records, 7)
    assert spec.checks.max_pairs >= max(20_000_000, 400 * n_records)
    assert spec.checks.max_training_pairs >= max(10_000_000, 200 * n_records)


def test_a_small_demo_finds_people_and_says_which_tables_it_made(tmp_path: Path) -> None:
    arguments = ["demo", "--records", "300", "--lake", str(tmp_path / "lake")]
    ran = command(*arguments, "--json", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("Making 300 people (seed 20) and running the graph.\n")
    assert "\x1b" not in ran.stdout + ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["verdict"] == "ok"
    assert answer["figures"]["run"]["records"] == 300
    assert answer["figures"]["truth"]["true_pairs_found"] > 0
    assert Path(answer["catalog"]).is_file()


def test_ctrl_c_stops_a_demo_with_130_and_no_traceback(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [*COMMAND, "demo", "--records", "100000", "--lake", str(tmp_path / "lake")],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stderr is not None
    assert running.stderr.readline() == "Making 100,000 people (seed 20) and running the graph.\n"
    os.kill(running.pid, signal.SIGINT)  # while it still imports what it runs
    printed, shown = running.communicate(timeout=60)
    assert running.returncode == 130, shown
    assert "Traceback" not in shown
    assert shown.endswith("stopped; the last good tables are as they were\n")
    assert printed == ""
