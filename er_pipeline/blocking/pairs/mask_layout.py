"""Which bit of a pair's mask stands for which strategy, and how each proposes its pairs."""

from dataclasses import dataclass

from er_pipeline.blocking.blocks.record_codes import codes_facts
from er_pipeline.blocking.pairs.weighed_when_read import holds_weights
from er_pipeline.blocking.spec.blocking_section import EMBEDDING
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_evidence import PairWeights
from er_pipeline.blocking.weights.pair_weights import read_weights


@dataclass(frozen=True)
class MaskLayout:
    """Which bit of a pair's mask stands for which strategy.

    names: of every bit. single: (bit, name) of those with one code per record, in the order of
    record_codes. listed: (bit, name) of those with several keys per record.
    ready: queries that give ready-made pairs (left_no, right_no, strategy_mask, similarity).
    has_similarity: whether pairs carry one, that is, whether there is an encoder.
    weights: how pairs are weighed; None where they are not, or only when read.
    """

    single: tuple[tuple[int, str], ...]
    listed: tuple[tuple[int, str], ...]
    ready: tuple[str, ...] = ()
    has_similarity: bool = False
    names: tuple[str, ...] = ()
    weights: PairWeights | None = None

    @classmethod
    def of(cls, spec: PipelineSpec, lake: Lake) -> "MaskLayout":
        """Number the strategies in their declared order, then the learned rules best first."""
        numbered = list(enumerate(spec.strategy_conjunctions))
        single = [(bit, strategy.name) for bit, strategy in numbered if not strategy.is_list]
        listed = [(bit, strategy.name) for bit, strategy in numbered if strategy.is_list]
        names = list(spec.proposers)
        if spec.learns:
            codes = codes_facts(lake)
            rules = codes["rules"]
            single += [(len(names) + rules.index(rule), rule) for rule in codes["single_rules"]]
            listed += [(len(names) + rules.index(rule), rule) for rule in codes["listed_rules"]]
            names += rules
        ready = []
        if spec.embedding:
            bit = bit_sql(spec.proposers.index(EMBEDDING))
            ready.append(
                f"select left_no, right_no, cast({bit} as bigint) as strategy_mask, similarity"
                " from embedding_blocks"
            )
        if spec.second_pass and not spec.has_two_passes:
            similarity = "similarity" if spec.encoder else "cast(null as float) as similarity"
            ready.append(
                f"select left_no, right_no, strategy_mask, {similarity} from second_pass_pairs"
            )
        return cls(
            tuple(single),
            tuple(listed),
            tuple(ready),
            spec.encoder is not None,
            tuple(names),
            read_weights(lake) if holds_weights(spec) else None,
        )

    def bits(self) -> dict[str, int]:
        """Return the bit of every name."""
        return {name: bit for bit, name in enumerate(self.names)}

    def evidence_columns(self) -> list[str]:
        """List the columns of key_codes that weighing reads."""
        return self.weights.columns() if self.weights else []


def bit_sql(bit: int) -> str:
    """Write a mask of one bit; as wide as BIGINT only where it has to be."""
    value = 1 << bit
    return str(value) if value < 1 << 30 else f"cast({value} as bigint)"
