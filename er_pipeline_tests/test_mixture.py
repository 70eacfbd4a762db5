import numpy as np
import pytest

from er_pipeline.matching.mixture import Mixture, Patterns, fit_mixture


def drawn(n_pairs: int, share: float, m: list[list[float]], u: list[list[float]]) -> Patterns:
    """Draw pairs of two classes whose comparisons are independent, and count their patterns."""
    rng = np.random.default_rng(7)
    is_match = rng.random(n_pairs) < share
    levels = np.stack(
        [
            np.where(is_match, rng.choice(len(a), n_pairs, p=a), rng.choice(len(b), n_pairs, p=b))
            for a, b in zip(m, u, strict=True)
        ],
        axis=1,
    )
    levels[rng.random(levels.shape) < 0.05] = -1
    patterns, counts = np.unique(levels, axis=0, return_counts=True)
    return Patterns(patterns, counts)


M = [[0.9, 0.1], [0.7, 0.25, 0.05], [0.95, 0.05]]
CHANCE = [[0.001, 0.999], [0.001, 0.002, 0.997], [0.1, 0.9]]


def fit(patterns: Patterns, start_share: float = 0.5) -> Mixture:
    return fit_mixture(patterns, CHANCE, start_share, 100, 1e-5)


def test_the_classes_that_were_drawn_are_found() -> None:
    found = fit(drawn(20_000, 0.3, M, CHANCE))
    assert found.converged
    assert found.match_share == pytest.approx(0.3, abs=0.02)
    for shares, drawn_from in zip(found.m, M, strict=True):
        assert shares == pytest.approx(drawn_from, abs=0.02)


def test_a_level_that_nearly_all_others_are_on_is_no_proof_of_a_match() -> None:
    # As e-mail addresses that repeat the name, among namesakes: random pairs are never alike.
    among_namesakes = [CHANCE[0], [0.001, 0.989, 0.01], CHANCE[2]]
    found = fit(drawn(20_000, 0.25, M, among_namesakes))
    assert found.match_share == pytest.approx(0.25, abs=0.02)
    assert found.u[1][1] > 2 * found.m[1][1]  # it speaks against a match


def test_hardly_any_others_leave_u_at_chance() -> None:
    found = fit(drawn(1_000, 0.999, M, CHANCE))
    assert found.match_share > 0.98
    for shares, chance in zip(found.u, CHANCE, strict=True):
        assert shares[0] == pytest.approx(chance[0], abs=0.05)
        assert (shares > 0).all()


def test_patterns_in_another_order_give_the_same() -> None:
    patterns = drawn(5_000, 0.4, M, CHANCE)
    turned = Patterns(patterns.levels[::-1], patterns.counts[::-1])
    one, other = fit(patterns), fit(turned)
    assert one.match_share == pytest.approx(other.match_share, abs=1e-9)


def test_what_is_always_missing_says_nothing() -> None:
    patterns = drawn(5_000, 0.4, M, CHANCE)
    missing = np.column_stack([patterns.levels[:, :2], np.full(len(patterns.counts), -1)])
    found = fit(Patterns(missing, patterns.counts))
    assert found.m[2] == pytest.approx([0.5, 0.5])
    assert found.match_share == pytest.approx(0.4, abs=0.03)


def test_what_has_not_settled_is_reported() -> None:
    found = fit_mixture(drawn(5_000, 0.4, M, CHANCE), CHANCE, 0.001, 2, 1e-9)
    assert (found.iterations, found.converged) == (2, False)
