from pathlib import Path

import pytest

from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline.terminal.project_runs import origin_of

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"


def test_a_run_of_the_project_names_the_code_location_that_the_timeline_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert origin_of("people_nightly", DEMO_DEFS) is None  # there is no project
    (tmp_path / "workspace.yaml").write_text(WORKSPACE.read_text())
    origin = origin_of("people_nightly", DEMO_DEFS)
    assert origin
    assert (origin.location_name, origin.job_name) == ("er_pipeline", "people_nightly")
    assert origin.repository_origin.repository_name == "__repository__"
    assert origin_of("people_nightly", tmp_path.parent / "defs.yaml") is None  # of no project
