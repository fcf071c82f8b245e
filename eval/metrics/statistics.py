"""Confidence intervals from a bootstrap that resamples entities, not questions.

Questions about one entity stand or fall together, so they are not independent draws. The cluster bootstrap draws whole
entities with replacement and recomputes the statistic (Davison and Hinkley, *Bootstrap Methods and their Application*,
1997, section 3.8); the interval is the percentile one (their equation 5.18). Most statistics are a ratio of sums, so
that one function serves plain means (the denominator is 1 everywhere) and conditional ones (the denominator says which
items count; it is resampled along).

Statistics that are no ratio of sums (AUROC, smooth ECE) go through `bootstrap_draws`: they take weights [draws, items]
that say how often each item was drawn. The same seed and clusters give the same draws in every function, so intervals
of several metrics, and differences between systems, are paired. Families of comparisons are corrected by `holm`.

A percentile interval cannot reach beyond the data: where every item scores 0 (or 1) it has no width, which says nothing
was seen to vary, not that nothing can.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
LEVEL = 0.95
Interval = tuple[float, float]
Floats = NDArray[np.float64]

_CHUNK_CELLS = 4_000_000  # bounds the memory of one block of resamples: 32 MB of counts


def bootstrap_ratio(
    numerator: ArrayLike,
    denominator: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval | None:
    """The percentile interval of sum(numerator) / sum(denominator), resampling clusters.

    Args:
        numerator: [items] values.
        denominator: [items] weights >= 0, 1 for a plain mean.
        clusters: [items] what each item belongs to.
        resamples: how often clusters are drawn; the same seed gives the same draws for the same number of clusters.
        level: the share of the resampled statistics inside the interval.

    Returns:
        (low, high), or None where there is nothing to resample: fewer than two clusters or a denominator of 0. Draws
        that happen to have a denominator of 0 have no ratio; the interval is that of the draws that have one.
    """
    return bootstrap_ratios(
        _column(numerator), _column(denominator), clusters, resamples=resamples, level=level, seed=seed
    )[0]


def bootstrap_ratios(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> list[Interval | None]:
    """`bootstrap_ratio` of each column of two [items, statistics] arrays, from the same draws."""
    tops, bottoms = _checked(numerators, clusters), _checked(denominators, clusters)
    draws = _resampled_sums(np.hstack([tops, bottoms]), clusters, resamples, seed)
    if draws is None:
        return [None] * tops.shape[1]
    width = tops.shape[1]
    return [percentile_interval(_ratio(draws[:, i], draws[:, width + i]), level=level) for i in range(width)]


def bootstrap_difference(
    numerators: tuple[ArrayLike, ArrayLike],
    denominators: tuple[ArrayLike, ArrayLike],
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval | None:
    """The interval of the first system's ratio minus the second's on the same items.

    Both ratios come from the same draws (a paired comparison), so what makes an entity hard for both cancels. Arguments
    as in `bootstrap_ratio`, one [items] array per system.
    """
    columns = [_checked(_column(values), clusters) for values in (*numerators, *denominators)]
    draws = _resampled_sums(np.hstack(columns), clusters, resamples, seed)
    if draws is None:
        return None
    return percentile_interval(_ratio(draws[:, 0], draws[:, 2]) - _ratio(draws[:, 1], draws[:, 3]), level=level)


def bootstrap_draws(
    statistic: Callable[[Floats], ArrayLike],
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """Any statistic of weighted items, recomputed on resampled clusters.

    Args:
        statistic: from weights float64 [draws, items], how often each item was drawn, to one value a draw, nan where
            the draw leaves it undefined. A difference of two systems on the same items is a statistic too.
        clusters: [items] what each item belongs to.

    Returns:
        [resamples] values; none with fewer than two clusters.
    """
    member, n = _membership(clusters)
    if n < 2:
        return np.empty(0)
    blocks = _draws(n, resamples, seed, width=len(member))
    return np.concatenate([np.asarray(statistic(counts[:, member]), dtype=np.float64) for counts in blocks])


def crossed_draws(
    statistic: Callable[[Floats], ArrayLike],
    rows: Sequence[Hashable],
    columns: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """`bootstrap_draws` where items lie in a table whose rows and columns are both drawn from more: facts and runs.

    Rows and columns are resampled each for themselves, and an item counts as often as its row was drawn times as often
    as its column was: the pigeonhole bootstrap (Owen 2007, doi 10.1214/07-AOAS122), which errs to the wide side. A side
    with one cluster only can't be resampled and is left as it is.
    """
    (row, n), (column, m) = _membership(rows), _membership(columns)
    sides = [(member, size, seed + side) for side, (member, size) in enumerate(((row, n), (column, m))) if size > 1]
    if not sides:
        return np.empty(0)
    width = max(len(row), n, m)
    blocks = zip(*(_draws(size, resamples, key, width=width) for _, size, key in sides), strict=True)
    weights = (
        np.prod([counts[:, member] for counts, (member, *_) in zip(drawn, sides, strict=True)], axis=0)
        for drawn in blocks
    )
    return np.concatenate([np.asarray(statistic(w), dtype=np.float64) for w in weights])


def percentile_interval(draws: Floats, *, level: float = LEVEL) -> Interval | None:
    """(low, high) that hold the share `level` of the draws that are defined (not nan); None when none is."""
    defined = draws[~np.isnan(draws)]
    if not len(defined):
        return None
    tail = 50 * (1 - level)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)


def p_value(differences: Floats) -> float | None:
    """Two-sided p of "no difference": the level at which the percentile interval of the draws first touches 0.

    The interval inverted as a test (Davison and Hinkley, section 5.6), with the observed sample counted as one more
    draw, so that B draws cannot claim less than 2 / (B + 1). None without a defined draw.
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return None
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (1 + tail) / (1 + len(defined))))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p values of a family of comparisons; rejecting those <= a keeps the family-wise error rate at a.

    Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 6, 1979: the
    i-th smallest of m (from 0) is multiplied by m - i, then none may be smaller than one before it.
    """
    if bad := [name for name, p in p_values.items() if not 0 <= p <= 1]:
        raise ValueError(f'the p value of "{bad[0]}" is {p_values[bad[0]]}, outside [0, 1]')
    adjusted, largest = {}, 0.0
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - i) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def _resampled_sums(values: Floats, clusters: Sequence[Hashable], resamples: int, seed: int) -> Floats | None:
    """[resamples, columns] sums of [items, columns] over drawn clusters; None with fewer than two clusters."""
    member, n = _membership(clusters)
    if n < 2:
        return None
    sums = np.zeros((n, values.shape[1]))
    np.add.at(sums, member, values)
    return np.vstack([counts @ sums for counts in _draws(n, resamples, seed, width=n)])


def _membership(clusters: Sequence[Hashable]) -> tuple[NDArray[np.int64], int]:
    """[items] the number of each item's cluster, and how many there are."""
    position: dict[Hashable, int] = {}
    return np.array([position.setdefault(c, len(position)) for c in clusters], dtype=np.int64), len(position)


def _draws(n: int, resamples: int, seed: int, *, width: int) -> Iterator[Floats]:
    """Blocks of [rows, n]: how often each of n clusters is in each of `resamples` draws of n with replacement.

    A block has so few rows that [rows, width] stays within `_CHUNK_CELLS`.
    """
    generator = np.random.default_rng(seed)
    block = max(1, _CHUNK_CELLS // width)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def _column(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(-1, 1)


def _checked(values: ArrayLike, clusters: Sequence[Hashable]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) != len(clusters):
        raise ValueError(f"need one row for each of {len(clusters)} clusters, got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values to resample must be finite")
    return array
