import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from er_pipeline.terminal.answer import print_json, print_lines


def test_lines_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def lines() -> Iterator[str]:
        for line in ("Zoë", ""):
            yield line
            seen.append(capsys.readouterr().out)

    print_lines(lines())
    assert seen == ["Zoë\n", "\n"]


@pytest.mark.parametrize(
    ("value", "read_back"),
    [
        ({"low": float("-inf"), "high": float("inf"), "mean": float("nan")}, [None, None, None]),
        ({"n": np.int64(3), "share": np.float32(0.5), "none": np.float64("nan")}, [3, 0.5, None]),
        ({"path": Path("a/b"), "pair": ("x", 1), "rules": iter(["r"])}, ["a/b", ["x", 1], ["r"]]),
        ({"set": {7}, "empty": frozenset(), "nested": [{1: True}]}, [[7], [], [{"1": True}]]),
    ],
    ids=["not finite", "numpy", "paths and rows", "sets and names"],
)
def test_what_json_lacks_becomes_what_it_has(
    value: dict[str, object], read_back: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    print_json(value)
    assert list(json.loads(capsys.readouterr().out).values()) == read_back


def test_json_is_indented_and_keeps_every_letter(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë"})
    assert capsys.readouterr().out == '{\n  "name": "Zoë"\n}\n'
