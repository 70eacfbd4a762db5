from pathlib import Path

import pytest

from er_pipeline.blocking.spec.yaml_file import examine, read_spec
from er_pipeline_tests.projects import HEAD, SMALL


def declared(folder: Path, publish: str) -> Path:
    path = folder / "defs.yaml"
    path.write_text(f"{HEAD}{SMALL}  publish: {publish}\n")
    return path


@pytest.mark.parametrize(
    ("publish", "said"),
    [
        ("[{parquet: out}]", "publish.0.tables"),
        ("{parquet: out, tables: [a]}", "publish: a list stands here, each of its items after a"),
        ("[{tables: [entities]}]", "needs exactly one of parquet, database, database_env and"),
        ("[{parquet: out, database_env: DB, tables: [a]}]", "found parquet, database_env"),
        ("[{parquet: out, schema: er, tables: [a]}]", "schema belongs to database, not to parquet"),
        ("[{database_env: DB, file_size: 1GB, tables: [a]}]", "file_size belongs to parquet"),
        ("[{parquet: out, data_path: x, tables: [a]}]", "data_path belongs to ducklake"),
        ("[{parquet: a, tables: [a]}, {parquet: b, tables: [a]}]", "give one another `name`"),
        ("[{parquet: a, file_size: 3 pages, tables: [a]}]", "file_size"),
        ("[{parqet: a, tables: [a]}]", "unknown setting 'parqet'; did you mean 'parquet'?"),
        ("[{parquet: a, shema: er, tables: [a]}]", "did you mean 'schema'?"),
        ("[{database_env: 'sqlite:///x', tables: [a]}]", "the name of an environment variable"),
    ],
)
def test_a_wrong_place_is_said_with_its_line(tmp_path: Path, publish: str, said: str) -> None:
    text = "\n".join(examine(declared(tmp_path, publish)).problems)
    assert said in text
    assert "defs.yaml:9" in text


def test_a_place_is_called_by_its_kind_unless_it_has_a_name(tmp_path: Path) -> None:
    spec = read_spec(
        declared(
            tmp_path,
            "[{parquet: out, tables: [a, b, a]}, {database_env: DB, tables: [a]},"
            " {database: 'sqlite:///x', name: small, tables: [a]}, {ducklake: m, tables: [a]}]",
        )
    )
    assert [place.label for place in spec.publish] == ["parquet", "database", "small", "ducklake"]
    assert spec.publish[0].tables == ["a", "b"]
    assert spec.changed({"description": "the same"}).publish == spec.publish


def test_a_url_comes_from_the_environment_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_URL", "postgresql://er:hunter2@db/er")
    spec = read_spec(
        declared(tmp_path, "[{database: '{{ env.DB_URL }}', schema: er, tables: [a]}]")
    )
    (place,) = spec.publish
    assert place.database is not None
    assert place.database.get_secret_value() == "postgresql://er:hunter2@db/er"
    assert place.schema_name == "er"
    assert "hunter2" not in f"{spec!r} {spec.model_dump_json()}"
