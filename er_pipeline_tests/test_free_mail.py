import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.free_mail import FREE_MAIL_DOMAINS, organisation_domain


def test_free_mail_domains_are_domains_of_mailboxes_for_anybody() -> None:
    assert {"gmail.com", "yahoo.co.uk", "hotmail.fr", "gmx.de", "163.com"} <= FREE_MAIL_DOMAINS
    assert "acme.com" not in FREE_MAIL_DOMAINS
    assert len(FREE_MAIL_DOMAINS) > 100
    clean_email = cleaner("email", CleaningOptions())
    for domain in FREE_MAIL_DOMAINS - {"googlemail.com"}:
        assert clean_email(f"john.smith@{domain}"), domain


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("acme.com", "acme.com"),
        ("mail.acme.co.uk", "acme.co.uk"),
        ("SHOP.Acme.com.", "acme.com"),
        ("acme.github.io", "acme.github.io"),
        ("abc.städte.de", "städte.de"),
        ("co.uk", None),
        ("gmail.com", None),
        ("mail.gmail.com", None),
        ("yahoo.co.jp", None),
        ("mailinator.com", None),
        ("wp.pl", None),
        ("", None),
        (".", None),
    ],
)
def test_the_domain_of_an_organisation_is_what_it_registered(
    domain: str, registered: str | None
) -> None:
    assert organisation_domain(domain) == registered


@given(label=st.from_regex("[a-z]{8,12}", fullmatch=True), host=st.sampled_from(["mail", "a.b"]))
def test_hosts_of_one_organisation_share_its_domain(label: str, host: str) -> None:
    own = f"{label}-works.co.uk"
    assert organisation_domain(f"{host}.{own}") == organisation_domain(own) == own
