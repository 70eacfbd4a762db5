"""Distinct pairs: how many of a rule's pairs no rule applied before it makes.

They are counted while two tables of block numbers are joined; no pair of single-valued keys is
written anywhere.
"""

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys

MEMBERS = "rule_members"
COVERED = "covered_blocks"


class DistinctPairs:
    """Counts the pairs of rules that are applied one after the other, each pair once.

    Makes engine tables: rule_members (record_no, source_no, block_no) of the rule counted last, in
    blocks that are compared; covered_blocks (record_no, block_<i>) of the rules applied so far; and
    of each rule with a many-valued key listed_pairs_<i> (left_no, right_no), made to be counted.
    """

    def __init__(self, index: Index) -> None:
        """Begin with no rule applied."""
        self.index, self.total = index, 0
        self._single: list[int] = []
        self._listed: list[int] = []
        index.engine.make_table(COVERED, "select record_no from key_codes order by record_no")

    def count(self, keys: Keys) -> int:
        """Count the pairs of a rule that no rule applied so far makes, exactly."""
        engine = self.index.engine
        engine.make_table(MEMBERS, self._members_sql(keys))
        pairs = self._pairs_sql(keys)
        if self._is_listed(keys):
            engine.make_table(f"listed_pairs_{self._place}", pairs)
            pairs = f"select * from listed_pairs_{self._place}"
        is_new = "".join(f" and (cl.block_{i} = cr.block_{i}) is not true" for i in self._single)
        made = "".join(
            f" anti join listed_pairs_{i} as x{i}"
            f" on x{i}.left_no = p.left_no and x{i}.right_no = p.right_no"
            for i in self._listed
        )
        (n_pairs,) = engine.row(
            f"select count(*) from ({pairs}) as p join {COVERED} as cl on cl.record_no = p.left_no"
            f" join {COVERED} as cr on cr.record_no = p.right_no{made} where true{is_new}"
        )
        return int(n_pairs)

    def apply(self, keys: Keys, new: int) -> None:
        """Apply the rule that was counted last; new: what `count` gave."""
        place, engine = self._place, self.index.engine
        self.total += new
        if self._is_listed(keys):
            self._listed.append(place)
            return
        self._single.append(place)
        engine.make_table("covered_before", f"select * from {COVERED}")
        engine.make_table(
            COVERED,
            f"select c.*, m.block_no as block_{place} from covered_before as c"
            f" left join {MEMBERS} as m on m.record_no = c.record_no order by c.record_no",
        )

    @property
    def _place(self) -> int:
        """Place of the next rule to be applied."""
        return len(self._single) + len(self._listed)

    def _is_listed(self, keys: Keys) -> bool:
        return not self.index.listed.keys().isdisjoint(keys)

    def _members_sql(self, keys: Keys) -> str:
        names = [f"code_{key}" for key in keys]
        same = " and ".join(f"m.{name} = b.{name}" for name in names)
        kept = (
            f"select {', '.join(names)}, row_number() over (order by {', '.join(names)}) as"
            f" block_no from ({self.index.blocks_sql(keys)}) where reason is null"
        )
        members = self.index.memberships_sql(keys, "c.record_no, c.source_no")
        return (
            f"select m.record_no, m.source_no, b.block_no from ({members}) as m"
            f" join ({kept}) as b on {same}"
        )

    def _pairs_sql(self, keys: Keys) -> str:
        # A pair may share several values of a many-valued key.
        each = "distinct " if self._is_listed(keys) else ""
        column = "source_no" if self.index.mode == "link" else "record_no"
        return (
            f"select {each}l.record_no as left_no, r.record_no as right_no from {MEMBERS} as l"
            f" join {MEMBERS} as r on l.block_no = r.block_no and l.{column} < r.{column}"
        )
