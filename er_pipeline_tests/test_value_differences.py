import pytest

from er_pipeline.blocking.labels.value_differences import cells, compared, runs


@pytest.mark.parametrize(
    ("left", "right", "mark"),
    [
        ("ann", "ann", "="),
        ("smith", "smyth", "~"),
        ("acme holding", "zebra ltd", "≠"),
        ("ann", None, "-"),
        (None, None, "-"),
        ("", "ann", "-"),
    ],
)
def test_a_mark_says_how_alike_two_values_are(
    left: str | None, right: str | None, mark: str
) -> None:
    assert compared(left, right).mark == mark


def test_runs_join_what_differs_and_what_does_not() -> None:
    found = compared("katherine", "catherine")
    assert runs(found.left) == [("k", True), ("atherine", False)]
    assert runs(found.right) == [("c", True), ("atherine", False)]
    assert runs(compared("acme holding", "zebra ltd").left) == [("acme holding", True)]
    assert runs(compared("ann", None).left) == [("ann", False)]
    assert runs(compared("ann", None).right) == []


def test_every_letter_is_kept_and_none_steers_a_terminal() -> None:
    text = "a\x1b[2J\n東"
    assert "".join(char for char, _ in cells(text)) == "a·[2J·東"
