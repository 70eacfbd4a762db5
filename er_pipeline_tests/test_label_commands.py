import contextlib
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Callable

import pytest

from er_pipeline.blocking.labels.labels import Journal
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.cli import main
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.judged_people import NOON, PEOPLE, queue


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(PEOPLE, labels={}, strategies={"city": "city"})
    people.clean()
    return people


DEFS = """
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv, record_id: id}]
  fields: {name: text, city: text}
  strategies: {city: city}
  training_rules: {rule: name}
"""


@pytest.fixture
def declared(people: Dataset) -> Dataset:
    """The same people as a command finds them: declared in a file, with a queue in the lake."""
    defs = people.folder / "defs.yaml"
    defs.write_text(DEFS + "  labels: {}\n")
    people.spec = read_spec(defs)
    people.clean()
    queue(people, (0, 1), (2, 3))
    return people


def test_the_label_command_takes_lines_from_a_pipe(
    declared: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    defs, lake = str(declared.folder / "defs.yaml"), str(declared.lake.root)
    monkeypatch.setattr("sys.stdin", io.StringIO("M \n\n"))
    assert main(["label", defs, "--lake", lake, "--who", "Zoë"]) == 0
    printed = capsys.readouterr().out
    assert "'' is not an answer; the keys are:" in printed
    assert "1 answer kept in" in printed
    assert f"Continue with: er-pipeline label {defs} --lake {lake} --who 'Zoë'" in printed
    (line,) = Journal(declared.folder / "labels.jsonl").read()
    assert (line.left.record_id, line.answer, line.who) == ("a", "match", "Zoë")


def test_the_label_command_without_labels_says_what_to_declare(
    declared: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    (declared.folder / "defs.yaml").write_text(DEFS)
    defs = str(declared.folder / "defs.yaml")
    for arguments in (
        ["label", defs, "--lake", str(declared.lake.root)],
        ["labels", "import", defs, "x.csv"],
        ["labels", "export", defs, "x.csv"],
    ):
        assert main(arguments) == 2
        assert "write `labels: {path: labels.jsonl}` below" in capsys.readouterr().err


def test_the_labels_commands_bring_in_and_write_out(
    declared: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = declared.folder
    defs, lake = str(folder / "defs.yaml"), str(declared.lake.root)
    (folder / "given.dat").write_text(f"left_id,right_id,answer,who,at\nb,a,yes,dan,{NOON}\n")
    bring = ["labels", "import", defs, "--lake", lake]
    assert main([*bring, str(folder / "given.dat")]) == 1
    assert "names no format" in capsys.readouterr().err
    assert main([*bring, str(folder / "given.dat"), "--format", "csv"]) == 0
    assert "labels.jsonl: 1; known already: 0; rows without an answer: 0" in capsys.readouterr().out
    for name in ("out.csv", "out.jsonl", "out.json"):
        assert main(["labels", "export", defs, str(folder / name), "--lake", lake]) == 0
    assert "out.json: 1; pairs to label: 1" in capsys.readouterr().out
    assert main([*bring, str(folder / "out.json")]) == 0
    assert "labels.jsonl: 0; known already: 1; rows without an answer: 1" in capsys.readouterr().out


def command(declared: Dataset, *options: str) -> list[str]:
    defs, lake = str(declared.folder / "defs.yaml"), str(declared.lake.root)
    return [
        *(sys.executable, "-m", "er_pipeline.terminal.cli", "label", defs, "--lake", lake),
        *options,
    ]


@pytest.mark.parametrize("stop", [b"\x03", b"\x04"], ids=["ctrl-c", "ctrl-d"])
def test_at_a_terminal_one_key_is_an_answer_and_stopping_keeps_it(
    declared: Dataset, stop: bytes
) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    running = subprocess.Popen(
        command(declared),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONUTF8": "1", "TERM": "xterm-256color"},
        start_new_session=True,
        # so that Ctrl-C at this terminal reaches it
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = b""
    for key, wanted in ((b"m", b"Why:"), (stop, b"-> match")):
        while wanted not in shown:
            shown += os.read(ours, 4096)
        time.sleep(0.3)  # a key that comes sooner was meant for the pair before
        os.write(ours, key)
    with contextlib.suppress(OSError):  # when the other side is closed
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    assert running.wait(timeout=30) == 0
    assert "1 answer kept in" in shown.decode().replace("\r\n", "")
    assert [line.answer for line in Journal(declared.folder / "labels.jsonl").read()] == ["match"]


def test_in_a_browser_it_serves_until_ctrl_c_and_keeps_what_was_said(declared: Dataset) -> None:
    running = subprocess.Popen(
        command(declared, "--serve", "--who", "ann"), stdout=subprocess.PIPE, text=True
    )
    assert running.stdout
    first = running.stdout.readline()
    found = re.fullmatch(r"2 pairs to judge: (http://127\.0\.0\.1:\d+)(/\S+/)\n", first)
    assert found, first
    origin, path = found.groups()
    request = urllib.request.Request(
        f"{origin}{path}answer",
        b'{"number": 0, "answer": "no_match"}',
        {"Content-Type": "application/json", "Origin": origin},
    )
    with urllib.request.urlopen(request, timeout=20) as answered:
        assert json.load(answered)["number"] == 1
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=30)[0]
    assert running.returncode == 0
    assert "1 answer kept in" in rest
    assert rest.endswith("--who ann --serve\n")
    (line,) = Journal(declared.folder / "labels.jsonl").read()
    assert (line.answer, line.who) == ("no_match", "ann")


def test_options_of_the_browser_need_it(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--port", "8000"], ["--open"]):
        assert main(["label", "defs.yaml", *option]) == 2
        assert "--port and --open are of the browser; add --serve" in capsys.readouterr().err
    assert main(["label", "defs.yaml", "--serve", "--port", "70000"]) == 2
    assert "--port" in capsys.readouterr().err


def test_the_screen_and_the_server_are_loaded_only_where_they_show_pairs() -> None:
    code = (
        "import sys\n"
        "from er_pipeline.terminal.cli import main\n"
        "code = main(['label', '--help'])\n"
        "import er_pipeline.terminal.labels\n"
        "print(code, [name for name in ('textual', 'http.server') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "0 []"
