from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.free_mail import FREE_MAIL_DOMAINS


def test_free_mail_domains_are_domains_of_mailboxes_for_anybody() -> None:
    assert {"gmail.com", "yahoo.co.uk", "hotmail.fr", "gmx.de", "163.com"} <= FREE_MAIL_DOMAINS
    assert "acme.com" not in FREE_MAIL_DOMAINS
    assert len(FREE_MAIL_DOMAINS) > 100
    clean_email = cleaner("email", CleaningOptions())
    for domain in FREE_MAIL_DOMAINS - {"googlemail.com"}:
        assert clean_email(f"john.smith@{domain}"), domain
