from er_pipeline.blocking.values.folded_text import fold


def test_folding_transliterates_and_loses_nothing() -> None:
    assert [fold(text) for text in ("Łukasz", "peña", "Straße", "王")] == [
        "lukasz",
        "pena",
        "strasse",
        "wang",
    ]
