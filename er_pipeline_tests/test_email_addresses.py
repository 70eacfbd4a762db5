import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.values.email_addresses import MailboxOptions, mailboxes


def read(text: str, **options: bool) -> list[str]:
    return list(mailboxes(text, MailboxOptions(**options)))


@pytest.mark.parametrize(
    "text",
    [
        *("jo@lark.org", " JO@Lark.org ", "Jo Lark <jo@lark.org>", "mailto:jo@lark.org?subject=x"),
        *("jo@lark.org (work)", "(work) jo@lark.org", "jo@lark.org work", "E-Mail: jo@lark.org"),
        *("'jo@lark.org'", '["jo@lark.org"]', "jo@lark.org,", "Lark, Jo <jo@lark.org>"),
        *("test@test.com; jo@lark.org", "none; jo@lark.org", "Jo <mailto:jo@lark.org>"),
    ],
)
def test_a_mailbox_is_read_whatever_stands_around_it(text: str) -> None:
    assert read(text) == ["jo@lark.org"]


@pytest.mark.parametrize(
    "text",
    [
        *("jo@lark.org; al@home.org", "jo@lark.org,al@home.org", "jo@lark.org | al@home.org"),
        *("jo@lark.org al@home.org", "jo@lark.org / al@home.org", "jo@lark.org or al@home.org"),
        *("Jo <jo@lark.org>, Al <al@home.org>", "[jo@lark.org, al@home.org]"),
        *("jo@lark.org (work); home: al@home.org", "['jo@lark.org', 'al@home.org']"),
    ],
)
def test_several_mailboxes_are_read_in_their_order(text: str) -> None:
    assert read(text) == ["jo@lark.org", "al@home.org"]


@pytest.mark.parametrize(
    "text", ["", "jo", "jo lark@lark.org", "jo@lark", "jo@@lark.org", "@x.org"]
)
def test_what_is_no_mailbox_gives_none(text: str) -> None:
    assert read(text) == []


def test_dots_and_tags_are_the_same_mailbox_unless_they_are_to_stay() -> None:
    assert read("J.Lark+News@googlemail.com") == ["jlark@gmail.com"]
    assert read("J.Lark+News@googlemail.com", gmail_dots=False, plus_tags=False) == [
        "j.lark+news@gmail.com"
    ]


users = st.from_regex(r"[a-z]{5,9}[0-9]{0,2}", fullmatch=True)


@given(users=st.lists(users, min_size=1, max_size=4), between=st.sampled_from(["; ", ", ", " | "]))
def test_as_many_are_read_as_were_written(users: list[str], between: str) -> None:
    written = [f"{user}@{user}-home.org" for user in users]
    assert read(between.join(written)) == written
