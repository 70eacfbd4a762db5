from er_pipeline.terminal.learned_versions import Version, version_lines, versions_answer

BEFORE = Version(
    version="20260101T000000.1",
    learned_at="2026-01-01 00:00:00",
    records=1_200,
    since="2026-01-02 00:00:00",
    in_force=False,
    comparison=None,
)
NOW = Version(**{**BEFORE, "version": "20260201T000000.1", "records": None, "in_force": True})
CANDIDATE = Version(
    version="20260301T000000.1",
    learned_at="2026-03-01 00:00:00",
    records=7,
    since=None,
    in_force=False,
    comparison={
        "records": 7,
        "share": 1.0,
        "in_force": {"pairs": 5, "cpu_seconds": 1.0},
        "candidate": {"pairs": 1_234, "cpu_seconds": 2.5},
        "moves": {"entities_changed": 1, "records_in_changed_entities": 2, "ids_moved": 3},
    },
)


def test_what_is_in_force_was_or_may_be_stands_in_a_table() -> None:
    _, before, now, candidate, _ = version_lines([BEFORE, NOW, CANDIDATE])
    assert before.split("  ")[-1] == "promoted 2026-01-02 00:00:00"
    assert "1,200 records" in before
    assert now.endswith("in force since 2026-01-02 00:00:00")
    assert candidate.endswith("candidate: 1,234 pairs, 2.5 CPU s, 3 ids would move")


def test_a_candidate_without_entities_moves_none() -> None:
    comparison = CANDIDATE["comparison"]
    assert comparison is not None
    alone = Version(**{**CANDIDATE, "comparison": {**comparison, "moves": None}})
    assert list(version_lines([alone]))[1].endswith("2.5 CPU s")


def test_programs_get_the_same() -> None:
    assert versions_answer([BEFORE, CANDIDATE]) == {"versions": [BEFORE, CANDIDATE]}
    assert "nothing has been learned yet" in next(version_lines([]))
