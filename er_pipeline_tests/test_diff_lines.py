from er_pipeline.evaluation.compared_runs import Compared
from er_pipeline.terminal.diff_lines import diff_lines

FIGURE = {"title": "Records", "before_text": "4", "now_text": "3", "change": "-25.0%"}
CHANGE = {"change": "lost", "cause": "record_gone", "pairs": 2, "strategies": {"name": 2}}
CHECK = {"table": "matches", "check": "is_small", "text": "There are 9."}


def test_what_differs_is_written_figures_first() -> None:
    found = Compared(
        "monday",
        "tuesday",
        figures=[FIGURE],
        checks=[{**CHECK, "passed_before": True, "passed_now": False}],
        changes={"pairs": [CHANGE]},
        events=[{"event": "minted", "cause": "record_new", "entities": 1, "records": 2}],
        strategies=[{"strategy": "name", "before": None, "now": 1200, "change": 1200}],
        settings=[{"setting": "blocks.max_size", "before": None, "now": "9"}],
        nights=1,
    )
    assert list(diff_lines(found, None)) == [
        "monday -> tuesday",
        "",
        "figure   before  now  change",
        "Records       4    3  -25.0%",
        "",
        "Check matches: is_small: passed -> failed",
        "  There are 9.",
        "",
        "Pairs: 0 gained, 2 lost",
        "change  pairs  because           found by",
        "lost    2      a record is gone  name",
        "",
        "entities  number  records  because",
        "minted    1       2        record new",
        "",
        "strategy  pairs before  now    change",
        "name                    1,200  +1,200",
        "",
        "setting          before       now",
        "blocks.max_size  not written  9",
    ]


def test_what_is_not_known_is_said_and_nothing_is_not_listed() -> None:
    found = Compared("a", "b", changes={"pairs": []}, events=[], settings=[], nights=3)
    found.unknown.append("matches gained and lost: none is kept")
    lines = list(diff_lines(found, 80))
    assert "(3 publications later; what each one gained and lost is added up)" in lines
    for line in (
        "Pairs: 0 gained, 0 lost",
        "Entities: nothing happened to them",
        "No setting changed.",
        "Not known: matches gained and lost: none is kept.",
    ):
        assert line in lines


def test_long_lists_are_cut_and_say_so() -> None:
    moved = [{"strategy": f"s{i}", "before": 0, "now": 1, "change": 1} for i in range(20)]
    lines = list(diff_lines(Compared("a", "b", strategies=moved), None))
    assert "and 8 more: --json lists all" in lines
