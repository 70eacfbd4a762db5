"""Learned rules in the terminal: show them, and write one into the declaration for good."""

import io
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.learned import LearnedFacts, learned_rules_facts
from er_pipeline.blocking.spec.named_strategies import DEFAULT_STRATEGIES
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.terminal.exit_codes import UsageError

RECALL = ("recall", "recall_low", "recall_high")
# What is shown of all rules together.
OF_ALL_RULES = (
    *("pairs", "evidence_found", "held_out_entities", *RECALL),
    *("ranking", "seed", "conjunctions_counted", "labelled_matches", "labelled_non_matches"),
)


def learned_facts(lake: Lake) -> LearnedFacts:
    """Return what the last run learned.

    Raises BlockingError if nothing has been learned yet.
    """
    if not lake.has("learned_rules"):
        raise BlockingError(
            f"no rules have been learned for {lake.dataset} in {lake.root} (is --lake right?);"
            " write strategies: auto or learning: {} into the defs.yaml and run it"
        )
    return learned_rules_facts(lake)


def rule_lines(facts: LearnedFacts) -> Iterator[str]:
    """Write the learned rules for people, line by line, best first."""
    rules = facts["rules"]
    width = max((len(rule["rule"]) for rule in rules), default=4)
    yield f"{'rule':<{width}}  {'pairs':>12}  {'finds':>6}  {'new':>6}  {'recall, 95%':>12}  keys"
    for rule in rules:
        recall = f"{rule['recall'][1]:.0%}-{rule['recall'][2]:.0%}" if rule["recall"] else ""
        yield (
            f"{rule['rule']:<{width}}  {rule['pairs']:>12,}  {rule['evidence_found']:>6.1%}"
            f"  {rule['evidence_new']:>6.2%}  {recall:>12}  {' and '.join(rule['expressions'])}"
        )
    yield ""
    yield (
        f"{len(rules)} rules, {facts['pairs']:,} pairs with repeats; they find"
        f" {facts['evidence_found']:.1%} of the probable matches they were learned from; what no"
        " rule or neighbour showed is not among these, so it is no recall."
    )
    if facts["recall"] is not None:
        yield (
            f"On {facts['held_out_entities']:,} held-out entities: recall {facts['recall']:.1%}"
            f" (95%: {facts['recall_low']:.1%} to {facts['recall_high']:.1%})."
        )


def rules_answer(facts: LearnedFacts) -> dict[str, Any]:
    """Return the learned rules for programs: the recall of each with its 95% interval by name."""
    return {
        **{name: value for name, value in facts.items() if name in OF_ALL_RULES},
        "rules": [
            {
                **{name: value for name, value in rule.items() if name != "recall"},
                **dict(zip(RECALL, rule["recall"] or (None, None, None), strict=True)),
            }
            for rule in facts["rules"]
        ],
    }


def pin_rule(path: Path, lake: Lake, name: str, strategy: str | None = None) -> str:
    """Write a learned rule into a defs.yaml as an ordinary strategy; return the strategy's name.

    The rest of the file stays as it is, comments included. The file is replaced only if it can
    still be read as a declaration.
    Raises BlockingError if nothing has been learned, UsageError if there is no such rule or the
    strategy's name is taken.
    """
    from ruamel.yaml import YAML

    rules = {rule["rule"]: rule for rule in learned_facts(lake)["rules"]}
    if name not in rules:
        near = get_close_matches(name, rules, n=1)
        hint = f"did you mean {near[0]}? The rules are" if near else "the rules are"
        raise UsageError(f"there is no learned rule {name!r}; {hint} {', '.join(rules) or 'none'}")
    spec = read_spec(path)
    strategy = strategy or name
    if strategy in {conjunction.name for conjunction in spec.strategy_conjunctions}:
        raise UsageError(
            f"{path}: there is a strategy {strategy!r} already; choose another name with --as"
        )
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(path.read_text("utf-8"))
    attributes = document["attributes"]
    _declare(attributes, spec, strategy, rules[name]["expressions"])
    written = io.StringIO()
    yaml.dump(document, written)
    draft = path.with_name(f".{path.name}.draft")
    try:
        write_whole(draft, written.getvalue())
        read_spec(draft)
    finally:
        draft.unlink(missing_ok=True)
    write_whole(path, written.getvalue())
    return strategy


def _declare(attributes: Any, spec: PipelineSpec, name: str, keys: list[str]) -> None:
    """Add a strategy to the declaration without losing those it has by default."""
    declared = attributes.get("strategies")
    if not isinstance(declared, dict):
        declared = {}
        if spec.strategies is None:
            fitting = {strategy.name for strategy in spec.strategy_conjunctions}
            declared = {n: k for n, k in DEFAULT_STRATEGIES.items() if n in fitting}
        if spec.strategies == "auto" and spec.learning is None:
            attributes["learning"] = {}  # auto meant learning; that stays
        attributes["strategies"] = declared
    declared[name] = keys if len(keys) > 1 else keys[0]
