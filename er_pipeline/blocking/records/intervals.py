"""Intervals: between what a share may lie, given the trials that it was seen in."""

import numpy as np


def interval(successes: float, trials: float) -> tuple[float, float]:
    """Return the 95% interval of a share: Wilson's.

    Source: Wilson, "Probable Inference", JASA 22, 1927.
    """
    if trials <= 0:
        return 0.0, 1.0
    z = 1.959964
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    # At shares of 0 and 1 an end is the share itself, but for the last digit.
    return max(0.0, float(min(share, middle - half))), min(1.0, float(max(share, middle + half)))
