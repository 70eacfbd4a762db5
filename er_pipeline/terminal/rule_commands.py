"""The commands rules and training-rules: what was learned, and what would train a model best."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from er_pipeline.terminal.exit_codes import OK
from er_pipeline.terminal.options import RULES, Defs, JsonOption, LakeOption, examples

rules = App(
    name="rules",
    group=RULES,
    help="Show the learned rules, or keep one for good.",
    group_commands=Group("Commands"),
)
training_rules = App(
    name="training-rules",
    group=RULES,
    help_epilogue=examples(
        "er-pipeline training-rules defs.yaml",
        "er-pipeline training-rules defs.yaml --lake /data/lake",
    ),
)


@rules.command(
    name="list",
    help_epilogue=examples(
        "er-pipeline rules list defs.yaml",
        "er-pipeline rules list defs.yaml --json",
    ),
)
def list_rules(defs: Defs, /, *, lake: LakeOption = None, as_json: JsonOption = False) -> int:
    """Show what the last run learned, best rule first.

    finds is the share of the matches that rules were learned from (judged ones,
    and probable ones that the data showed) that a rule finds, new the share that
    no rule before it finds. It is no recall: others may never have been seen.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.rules import learned_facts, rule_lines, rules_answer

    facts = learned_facts(open_lake(read_spec(defs), lake))
    if as_json:
        print_json(rules_answer(facts))
    else:
        print_lines(rule_lines(facts))
    return OK


@rules.command(
    help_epilogue=examples(
        "er-pipeline rules pin defs.yaml city_and_last_name",
        "er-pipeline rules pin defs.yaml city_and_last_name --as same_town",
    ),
)
def pin(
    defs: Defs,
    rule: Annotated[str, Parameter(name="RULE", help="Name of the rule, as the list shows it.")],
    /,
    *,
    strategy: Annotated[
        str | None, Parameter(name="--as", help="Name of the strategy; by default the rule's.")
    ] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write a learned rule into the defs.yaml as a strategy; comments stay.

    The rule is then used by every run, whatever is learned later.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.rules import pin_rule

    spec = read_spec(defs)
    name = pin_rule(defs, open_lake(spec, lake), rule, strategy)
    if as_json:
        print_json({"file": defs, "rule": rule, "strategy": name})
        return OK
    others = "; the other rules are still learned" if spec.learns else ""
    print_lines([f"{defs}: {name} is a strategy now, and the next run uses it{others}."])
    return OK


@training_rules.default
def propose(
    defs: Defs,
    /,
    *,
    lake: Annotated[
        Path | None,
        Parameter(name="--lake", help="Take the records of the last run from this folder."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Propose training rules: what they cost, find and leave free.

    Counts the keys of every field, alone and in twos, without making a pair of
    records, and prints the best set as YAML to paste into the defs.yaml.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.files import scratch_folder
    from er_pipeline.matching.training_advisor import advise
    from er_pipeline.terminal.lakes import lake_with_records
    from er_pipeline.terminal.verdict_lines import show_judged

    spec = read_spec(defs)
    with scratch_folder() as scratch:
        items = advise(spec, lake_with_records(spec, scratch, lake))
        return show_judged(items, "weighing training rules", as_json=as_json)
