import re
from pathlib import Path

import yaml

from er_pipeline.blocking.spec.named_strategies import NAMED_STRATEGIES
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.values.key_functions import KEY_FUNCTIONS
from er_pipeline.terminal.reference import settings_markdown

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text("utf-8")


def test_the_readme_lists_every_setting_as_the_code_has_it() -> None:
    table = README.split("<!-- settings: written by er-pipeline settings -->\n")[1]
    assert table.split("<!-- /settings -->")[0].strip() == settings_markdown()


def test_the_readme_names_every_key_function_and_strategy() -> None:
    assert [name for name in KEY_FUNCTIONS if f"`{name}(" not in README] == []
    assert [name for name in NAMED_STRATEGIES if name not in README] == []


def test_the_readmes_smallest_declaration_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    smallest = next(text for text in blocks if "dataset: customers" in text)
    spec = PipelineSpec.model_validate(yaml.safe_load(smallest)["attributes"])
    assert [strategy.name for strategy in spec.strategy_conjunctions] == [
        "email_exact",
        "email_domain",
        "name_key",
        "soundex",
        "company_word",
        "name_combo",
    ]
    assert spec.field_kinds == {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "company": "company",
    }


def test_the_readmes_strategies_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    strategies = yaml.safe_load(next(text for text in blocks if text.startswith("strategies:")))
    fields = ["first_name", "last_name", "email", "company", "phone", "birth_date", "city"]
    spec = PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv", "columns": {name: name for name in fields}}],
            **strategies,
        }
    )
    assert len(spec.strategy_conjunctions) == len(strategies["strategies"])


def test_the_two_commands_stand_in_the_readme_each_complete() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("er-pipeline demo")
    assert commands[1].endswith("pytest")
