import pytest

from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("teil_*.csv", "teil"),
        ("kunden-2026 Köln.csv", "kunden_2026_Koln"),
        ("2026.csv", "source_2026"),
    ],
)
def test_a_source_is_named_after_its_file_as_dagster_allows(path: str, label: str) -> None:
    assert Source(path=path).label.lower() == label.lower()


@pytest.mark.parametrize(
    ("region", "text"),
    [("UK", "the United Kingdom is GB"), ("Germany", "two letters of ISO 3166")],
)
def test_a_phone_region_that_is_none_is_refused_when_loaded(region: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        small_spec(cleaning={"phone_region": region})
