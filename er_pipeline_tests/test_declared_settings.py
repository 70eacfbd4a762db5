from er_pipeline.blocking.spec.declared_settings import MOST_SHOWN, declared_settings
from er_pipeline.blocking.spec.pipeline import PipelineSpec

DECLARED = {
    "dataset": "people",
    "sources": [
        {"url": "postgresql://ann:s3cret@db/crm", "query": "select 1", "name": "crm"},
        {"path": "people.csv", "record_id": "id"},
    ],
    "mode": "link",
    "fields": {"last_name": "person_name"},
    "strategies": {"name": ["left(last_name, 3)", "soundex(last_name)"]},
}


def test_every_setting_that_is_written_stands_with_its_value_and_no_default() -> None:
    assert declared_settings(PipelineSpec.model_validate(DECLARED)) == {
        "dataset": '"people"',
        "sources.0.url": '"postgresql://ann:***@db/crm"',
        "sources.0.query": '"select 1"',
        "sources.0.name": '"crm"',
        "sources.1.path": '"people.csv"',
        "sources.1.record_id": '"id"',
        "mode": '"link"',
        "fields.last_name": '"person_name"',
        "strategies.name": '["left(last_name, 3)", "soundex(last_name)"]',
    }


def test_whom_to_notify_is_left_out_and_what_is_long_is_cut() -> None:
    more = {
        "notify": {"webhook": "https://hooks.example.com/s3cret"},
        "cleaning": {"placeholders": ["x" * 9_000]},
    }
    settings = declared_settings(PipelineSpec.model_validate({**DECLARED, **more}))
    assert not [name for name in settings if name.startswith("notify")]
    assert len(settings["cleaning.placeholders"]) == MOST_SHOWN
