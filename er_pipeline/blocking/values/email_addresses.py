"""E-mail addresses: the mailboxes of a cell, without what the same mailbox may be written with."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from er_pipeline.blocking.values.folded_text import fold, plain, word_set

# The mailbox of a form that asks for an address: shared by people who have nothing in common.
_PLACEHOLDER_USERS = word_set("""
    test none noemail no-email no_email no.email nomail no-mail no_mail na n/a null nil nan unknown
    notprovided not.provided not_provided notavailable noreply no-reply no_reply donotreply
    do-not-reply anonymous anon fake dummy asdf qwerty xxx xxxx
    """)
# RFC 2606 reserves example.*, and the last labels below, for text that means nobody.
_PLACEHOLDER_DOMAINS = word_set("""
    example.com example.org example.net test.com none.com noemail.com nomail.com no-email.com
    noemail.org noemail.net fake.com na.com unknown.com anonymous.com asdf.com
    """)
_RESERVED_LABELS = frozenset({"test", "example", "invalid", "localhost"})
_REPEATED_LABEL_LENGTH = 4  # a@a.com, na@na.com, abc@abc.com; bosch@bosch.com is a real mailbox

_MAILBOX = re.compile(r"([^\s@<>,;:\"()\[\]]+)@([\w-]+(?:\.[\w-]+)+)")
_EDGES = " <>()[]{}\"'`.,;:"
# Remarks and what stands between two addresses; a blank only where both sides are addresses.
_REMARK = re.compile(r"[(\[][^()\[\]@]*[)\]]")
_BETWEEN = re.compile(r"[;,|\n]| / | (?:and|or|und|oder|et|ou|y|o|e|&) ")
_LABEL = re.compile(r"^[a-z. -]{1,20}[:=] *(?=[^@]*@)")  # work: jo@acme.com
_LONGEST_CELL = 1000  # characters; beyond, it is a text


@dataclass(frozen=True)
class MailboxOptions:
    """What counts as the same mailbox.

    gmail_dots: remove the dots of a gmail.com user. plus_tags: remove "+tag" of any user.
    """

    gmail_dots: bool = True
    plus_tags: bool = True


def mailboxes(text: str, options: MailboxOptions) -> Iterator[str]:
    """Give the mailboxes of a cell, in their order; those of nobody are left out.

    "Jo Lark <jo@lark.org>", "mailto:jo@lark.org", "jo@lark.org (work)" and
    "jo@lark.org; jo@home.org" are read; "jo lark@lark.org" is not: nobody knows the user.
    """
    if "@" not in text or len(text) > _LONGEST_CELL:
        return
    text = fold(plain(text))
    if text.count("@") == 1 and (mailbox := _mailbox(text, options)):  # nearly all cells
        yield mailbox
        return
    for part in _BETWEEN.split(_REMARK.sub(" ", text)):
        words = part.split()
        if len(words) > 1 and all("@" in word for word in words):
            found = [_mailbox(word, options) for word in words]
        else:
            # A word behind an address is a remark; one before it may be the user's beginning.
            behind = words[0] if words and "@" in words[0] and "<" not in part else part
            found = [_mailbox(_LABEL.sub("", behind.strip()), options)]
        yield from (mailbox for mailbox in found if mailbox)


def _mailbox(text: str, options: MailboxOptions) -> str | None:
    if "<" in text:  # John Smith <john@smith.com>
        text = text.rpartition("<")[2].partition(">")[0]
    if "mailto:" in text:
        text = text.rpartition("mailto:")[2].partition("?")[0]
    found = _MAILBOX.fullmatch(text.strip(_EDGES))
    if found is None:
        return None
    user, domain = found.groups()
    if options.plus_tags:
        user = user.partition("+")[0]
    if domain == "googlemail.com":
        domain = "gmail.com"
    if options.gmail_dots and domain == "gmail.com":
        user = user.replace(".", "")
    return None if not user or _is_nobody(user, domain) else f"{user}@{domain}"


def _is_nobody(user: str, domain: str) -> bool:
    first_label, _, last_labels = domain.partition(".")
    return (
        user in _PLACEHOLDER_USERS
        or domain in _PLACEHOLDER_DOMAINS
        or last_labels in _RESERVED_LABELS
        or (user == first_label and len(user) <= _REPEATED_LABEL_LENGTH)
    )
