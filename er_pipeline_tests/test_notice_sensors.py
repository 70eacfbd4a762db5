from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.verdict_notes import note_failure
from er_pipeline.flow import flow, open_lake
from er_pipeline.orchestration.notice_sensors import declaration_sensors, notice_sensors, why_silent
from er_pipeline_tests.servers import Received, webhook_server
from er_pipeline_tests.small_spec import HEAD, small_spec

WRONG = "people.csv: 1 ids stand more than once in column 'id': '4711' (2 times)"
TAGS = {"er_pipeline/dataset": "people", "er_pipeline/kind": "nightly"}


@pytest.fixture(scope="module")
def server() -> Iterator[Received]:
    with webhook_server() as received:
        yield received


@pytest.fixture
def spec(server: Received) -> PipelineSpec:
    server.messages.clear()
    url = f"http://127.0.0.1:{server.port}/secret"
    return small_spec(notify={"on": ["failure", "success"], "webhook": url})


class Ended:
    """A run that has ended, and the ticks of the sensors after it."""

    def __init__(self, spec: PipelineSpec, lake: Path, tags: dict[str, str], fails: bool) -> None:
        @dg.op(name="people__cleaned_records")
        def work() -> None:
            if fails:
                raise dg.Failure(WRONG, allow_retries=False)

        @dg.job(tags=tags)
        def night() -> None:
            work()

        self.instance = dg.DagsterInstance.ephemeral()
        result = night.execute_in_process(instance=self.instance, raise_on_error=False)
        self.run = result.dagster_run
        self.event = result.get_run_failure_event() if fails else result.get_run_success_event()
        self.fails = fails
        failed, succeeded = notice_sensors(spec, flow(spec), lake)
        self.sensor: Any = failed if fails else succeeded

    def tick(self) -> Any:
        context: Any = dg.build_run_status_sensor_context(
            self.sensor.name, self.event, self.instance, self.run
        )
        return self.sensor(context.for_run_failure() if self.fails else context)


@pytest.fixture
def ended(spec: PipelineSpec, tmp_path: Path) -> Callable[..., Ended]:
    def make(fails: bool, **tags: str) -> Ended:
        named = {f"er_pipeline/{name}": value for name, value in tags.items()}
        return Ended(spec, tmp_path, {**TAGS, **named}, fails)

    return make


def test_a_failed_run_is_said_once_without_values(
    ended: Callable[..., Ended], spec: PipelineSpec, server: Received, tmp_path: Path
) -> None:
    note_failure(open_lake(tmp_path, spec), "cleaned_records", WRONG)
    run = ended(fails=True)
    assert run.tick() is None
    ((path, body),) = server.messages
    assert path == "/secret"
    assert "the run of people has failed" in body["text"]
    assert body["text"].count("ids stand more than once in column 'id': '…'") == 1
    assert "4711" not in body["text"]
    assert "was said before" in run.tick().skip_message
    assert len(server.messages) == 1


def test_a_failure_that_the_lake_does_not_note_is_said_as_dagster_knows_it(
    ended: Callable[..., Ended], server: Received
) -> None:
    ended(fails=True).tick()
    ((_, body),) = server.messages
    assert "What failed: cleaned_records: people.csv: 1 ids stand more than once" in body["text"]


def test_a_run_that_went_well_is_said_if_that_is_wanted(
    ended: Callable[..., Ended], server: Received
) -> None:
    assert ended(fails=False).tick() is None
    ((_, body),) = server.messages
    assert body["text"].startswith("er_pipeline: the run of people went well.")


def test_a_broken_declaration_is_said_of_its_runs(
    ended: Callable[..., Ended], server: Received, tmp_path: Path
) -> None:
    file = tmp_path / "defs.yaml"
    url = f"http://127.0.0.1:{server.port}/secret"
    file.write_text(f"{HEAD}  mode: dedup\n  notify: {{webhook: '{url}'}}\n")
    run = ended(fails=True)
    (run.sensor,) = declaration_sensors("people", file, "defs.yaml:6: mode: 'dedup' is unknown")
    assert run.tick() is None
    ((_, body),) = server.messages
    assert "What failed: defs.yaml:6: mode: 'dedup' is unknown" in body["text"]
    file.write_text(f"{HEAD}  mode: dedup\n")
    assert declaration_sensors("people", file, "wrong") == []


def test_learning_is_called_so(ended: Callable[..., Ended], server: Received) -> None:
    ended(fails=False, kind="learn").tick()
    ended(fails=True, kind="learn").tick()
    texts = [body["text"] for _, body in server.messages]
    assert "nothing was promoted" in texts[0]
    assert "the learning of people has failed" in texts[1]


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"er_pipeline/dataset": "others"}, "of another dataset"),
        ({**TAGS, "er_pipeline/notice": "command"}, "who started the run has said"),
        ({**TAGS, "er_pipeline/kind": "publish"}, "only publishes"),
        ({**TAGS, "dagster/will_retry": "true"}, "is tried again"),
    ],
)
def test_of_other_runs_nothing_is_said(tags: dict[str, str], why: str) -> None:
    said = why_silent(dg.DagsterRun(job_name="night", tags=tags), "people")
    assert said is not None
    assert why in said


def test_a_message_that_is_not_sent_fails_no_tick(tmp_path: Path) -> None:
    spec = small_spec(notify={"command": ["false"]})
    assert Ended(spec, tmp_path, TAGS, fails=True).tick() is None


def test_without_notify_there_are_no_sensors(tmp_path: Path) -> None:
    assert notice_sensors(small_spec(), [], tmp_path) == []
