import json
import re
from html.parser import HTMLParser

import pytest

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.evaluation.page.page_markup import json_text, page_html, read_made_from
from er_pipeline.evaluation.page.page_parts import Chart, Link, Listing, PairViewer, Section

HARMFUL = "</script><img src=x onerror=alert(1)>\u2028'\"&"


class Tags(HTMLParser):
    """Collects the tags of a page, and what stands in its table cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")], attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in ("td", "th"):
            self.cells.append(data)


def page(made_from: str = "ab12") -> str:
    section = Section(
        HARMFUL,
        HARMFUL,
        HARMFUL,
        [
            HARMFUL,
            Chart(HARMFUL, {"data": {"values": [{"name": HARMFUL}]}}, HARMFUL),
            Listing(HARMFUL, Grid((HARMFUL, "pairs"), [(HARMFUL, "1,000")]), HARMFUL),
            Listing(HARMFUL, Grid((HARMFUL,), []), is_folded=True),
            PairViewer(HARMFUL, [{"left": HARMFUL}], {}),
            Link(HARMFUL, HARMFUL),
        ],
    )
    return page_html(HARMFUL, [HARMFUL, HARMFUL], [section], ["var library;"], made_from)


def test_whatever_a_value_holds_it_is_text() -> None:
    seen = Tags()
    seen.feed(page())
    assert "img" not in seen.tags
    assert seen.tags.count("script") == 3  # the data, a library, the page's own
    shown = "</script><img src=x onerror=alert(1)>\\u2028'\"&"
    assert shown in seen.cells


def test_data_stand_in_a_script_that_they_cannot_end() -> None:
    text = json_text({"name": HARMFUL, "share": float("nan")})
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text)["share"] is None
    assert json.loads(text)["name"].startswith("</script><img")


def test_only_the_scripts_of_the_page_may_run_and_nothing_is_loaded() -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page())
    assert policy.startswith("default-src &#x27;none&#x27;")
    script_src = policy.partition("script-src ")[2]
    assert script_src.count("sha256-") == 2
    assert "unsafe" not in script_src
    assert not re.search(r"(src|href)=[\"']?(http|//)", page())


def test_counts_stand_to_the_right() -> None:
    assert '<td class="number">1,000</td>' in page()


def test_a_page_says_what_it_was_made_from() -> None:
    assert read_made_from(page("00ff")) == "00ff"
    assert read_made_from("<html>") is None
    assert page() == page()


@pytest.mark.parametrize(("verdict", "kind"), [("[OK] fine", "good"), ("[FAILED] two", "bad")])
def test_a_failure_is_seen(verdict: str, kind: str) -> None:
    assert f'class="verdict {kind}"' in page_html("t", [verdict], [], [], "a")
