import asyncio

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from er_pipeline.blocking.labels.label_session import Session
from er_pipeline.blocking.labels.labels import RETRACTED, Journal, RecordName
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.terminal.label_screen import LabelScreen, side_by_side
from er_pipeline_tests.judged_people import journal as journal
from er_pipeline_tests.judged_people import label
from er_pipeline_tests.test_label_session import ABC, pair, said


def on_screen(screen: LabelScreen, name: str) -> str:
    return str(screen.query_one(f"#{name}", Static).render())


def pressed(journal: Journal, *keys: str, pairs: list[ShownPair] = ABC) -> LabelScreen:
    """Give keys to a session on a screen."""
    screen = LabelScreen(Session(pairs, journal, who="eve"), seconds_to_look=0)

    async def press() -> None:
        async with screen.run_test(size=(100, 30)) as pilot:
            await pilot.press(*keys)

    asyncio.run(press())
    return screen


def test_every_key_is_an_answer_in_either_case(journal: Journal) -> None:
    pressed(journal, "m", "N", "u")
    assert said(journal) == [("a", "b", "match"), ("a", "c", "no_match"), ("b", "c", "unsure")]
    assert {(line.who, line.source) for line in journal.read()} == {("eve", "human")}


def test_undo_takes_back_and_asks_again_also_after_the_last_pair(journal: Journal) -> None:
    pressed(journal, "m", "n", "m", "z", "u", "z", "z", "z", "z")
    assert [answer for *_, answer in said(journal)] == [
        *("match", "no_match", "match", RETRACTED, "unsure", RETRACTED, RETRACTED, RETRACTED)
    ]


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+d"])
def test_stopping_keeps_what_was_answered(journal: Journal, key: str) -> None:
    screen = pressed(journal, "m", key, "n")
    assert said(journal) == [("a", "b", "match")]
    assert screen.failure is None
    assert not screen.is_running


def test_the_screen_shows_the_pair_why_and_how_far(journal: Journal) -> None:
    journal.append([label("x", "y")])
    screen = LabelScreen(Session(ABC, journal, who="eve"), seconds_to_look=0)

    async def look(pilot: Pilot[None]) -> None:
        await pilot.pause()
        assert "1 answered, 3 left; 1 match" in on_screen(screen, "progress")
        assert "Why: drawn at random from the candidates" in on_screen(screen, "why")
        assert "Go on: 19 more matches" in on_screen(screen, "advice")
        await pilot.press("x")
        assert "'x' is not an answer; the keys are m, n, u, z, q" in on_screen(screen, "said")
        await pilot.press("z")
        assert "There is nothing to undo" in on_screen(screen, "said")
        await pilot.press("n")
        assert "-> no match" in on_screen(screen, "said")
        assert "2 answered, 2 left" in on_screen(screen, "progress")
        assert "Why: no rule proposes this pair" in on_screen(screen, "why")
        await pilot.press("m", "m")
        assert "That was the last pair." in on_screen(screen, "why")
        assert screen.is_running

    async def run() -> None:
        async with screen.run_test(size=(100, 30)) as pilot:
            await look(pilot)

    asyncio.run(run())


def test_a_key_that_comes_before_the_pair_could_be_seen_is_no_answer(journal: Journal) -> None:
    screen = LabelScreen(Session(ABC, journal, who="eve"), seconds_to_look=60)

    async def press() -> None:
        async with screen.run_test() as pilot:
            await pilot.press("m", "m", "m")
            screen.seconds_to_look = 0
            await pilot.press("n")

    asyncio.run(press())
    assert said(journal) == [("a", "b", "no_match")]


def test_a_pair_that_somebody_else_answers_meanwhile_is_passed_over(journal: Journal) -> None:
    screen = LabelScreen(Session(ABC, journal, who="eve"), seconds_to_look=0)

    async def press() -> None:
        async with screen.run_test() as pilot:
            journal.append([label("a", "c", who="dan")])
            await pilot.press("m", "n")

    asyncio.run(press())
    assert [(right, answer) for _, right, answer in said(journal)] == [
        *(("c", "match"), ("b", "match"), ("c", "no_match"))
    ]


def test_a_journal_that_cannot_be_written_ends_the_session(journal: Journal) -> None:
    screen = LabelScreen(Session(ABC, journal, who="eve"), seconds_to_look=0)

    async def press() -> None:
        async with screen.run_test() as pilot:
            journal.path.mkdir()
            await pilot.press("m")

    asyncio.run(press())
    assert isinstance(screen.failure, InputError)
    assert f"{journal.path}: cannot be" in str(screen.failure)
    assert not screen.is_running


def test_values_are_text_whatever_they_look_like() -> None:
    shown = ShownPair(
        RecordName("people", "[red]a"), RecordName("web", "b\x1b[2J"), "audit", (),
        {"name": ("[bold]ann[/bold]", "[bold]anne[/bold]")},
    )  # fmt: skip
    table = side_by_side(shown)
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    assert columns == [
        [" ", "~"],
        ["record", "name"],
        ["people [red]a", "[bold]ann[/bold]"],
        ["web b·[2J", "[bold]anne[/bold]"],
    ]


def test_letters_that_differ_are_underlined() -> None:
    (*_, (_, changed)) = [
        [*column.cells] for column in side_by_side(pair("a", "b", x=("smith", "smyth"))).columns
    ]
    (span,) = changed.spans  # type: ignore[union-attr]
    assert (span.start, span.end, span.style) == (2, 3, "underline green")
