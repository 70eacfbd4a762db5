import subprocess
import sys

import pytest


@pytest.mark.parametrize("forbidden", ["dagster", "pandera", "great_expectations", "splink"])
def test_the_pure_half_imports_without(forbidden: str) -> None:
    code = f"import sys; sys.modules[{forbidden!r}] = None; import er_pipeline.blocking"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_definitions_load_without_the_heavy_libraries() -> None:
    code = (
        "import sys\n"
        "for name in ('pandera', 'great_expectations', 'splink', 'torch', 'faiss', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        "import er_pipeline.definitions as d\n"
        "d.defs().get_repository_def()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
