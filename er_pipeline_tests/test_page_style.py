import re

from er_pipeline.blocking.tables.page_style import page_colours, policy_digest
from er_pipeline.evaluation.page.page_markup import page_html
from er_pipeline.terminal.label_server import label_page


def test_every_page_has_the_same_colours() -> None:
    colours = page_colours()
    assert colours in page_html("title", ["all is well", "nothing to do"], [], [], "0")
    assert colours in label_page()[0].decode()


def test_what_is_light_has_a_dark_counterpart() -> None:
    light, dark = page_colours().split("@media (prefers-color-scheme: dark)")
    assert re.findall(r"--\w+", light) == re.findall(r"--\w+", dark) != []


def test_a_policy_names_code_by_its_digest() -> None:
    assert policy_digest("x = 1") == "'sha256-j/Q23vFFEoVZmhsa1wgASTuNyv3ikS4aODRWMwVOTCY='"
