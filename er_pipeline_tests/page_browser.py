"""A page opened in Chromium, without a window: whether all is drawn, and what the console says."""

import re
import shutil
import subprocess
from pathlib import Path

import altair
import pytest

from er_pipeline.evaluation.page.page_markup import read_data

SECONDS = 30


def assert_opens(page: Path) -> None:
    """Hold that every picture of a page is drawn, and that the console holds no error."""
    data = read_data(page.read_text("utf-8"))
    charts = [part.get("chart", part) for part in data.values()]
    for chart in charts:
        altair.Chart.from_dict(chart)  # raises where a specification is none
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed, so the page was not opened")
    profile = page.parent / "browser"
    command = [
        browser,
        *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *("--virtual-time-budget=5000", f"--user-data-dir={profile}"),
        *("--dump-dom", page.as_uri()),
    ]
    try:
        opened = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{browser} did not answer within {SECONDS} s: is the machine too busy?")
    shutil.rmtree(profile, ignore_errors=True)
    assert re.findall(r".*CONSOLE.*", opened.stderr) == []
    assert f'data-drawn="{len(charts)}"' in opened.stdout
    assert "could not be drawn" not in re.sub(r"(?s)<script.*?</script>", "", opened.stdout)
