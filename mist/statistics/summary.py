"""Raw values of B tables of one shape -> Batch: the order of statistics, and what every token holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mist.batch import Batch
from mist.copula import Scores, content_order, normal_scores, smooth_scores
from mist.statistics import features, matching, pairs, swirl
from mist.statistics import spectrum as spectra
from mist.statistics.anchors import anchors
from mist.statistics.budget import Rows, budget
from mist.statistics.canonical import correlation, fix_signs, kurtosis, scaled
from mist.statistics.neighbours import MIDDLE, NEIGHBOURS, Neighbours, ksg, ksg_leading
from mist.statistics.spectrum import Spectrum
from mist.statistics.swirl import Swirl

LEADING = 3  # canonical pairs that kNN and random features look at
TOKEN_ROWS = 128  # rows that become tokens themselves
ROW_FEATURES = 14
GLOBAL_FEATURES = 27
NEIGHBOUR_SETS = 6  # all columns; 1, 2, 3 canonical pairs; the two whitened norms; turned columns
GROUPS = {
    "spectrum": spectra.FEATURES,
    "pairs": pairs.FEATURES,
    "neighbours": 2 * len(NEIGHBOURS) + 5 + NEIGHBOUR_SETS,
    "features": features.FEATURES + 2,
    "swirl": swirl.FEATURES,
    "table": GLOBAL_FEATURES,
    "rows": ROW_FEATURES,
    "matching": matching.FEATURES,
}

Entry = tuple[Neighbours, Neighbours, int]  # estimates on all rows looked at, on half of them, and how many


def summarise(x: Tensor, y: Tensor, differentiable: bool = False) -> Batch:
    """Statistics tokens of B tables of one shape, by torch; `compiled.summarise` has the same ones sooner.

    Args:
        x: Raw values of one side, (B, N, D_x), finite, N >= 8.
        y: Raw values of the other side, (B, N, D_y).
        differentiable: Soft ranks instead of ranks, so that tokens carry a gradient to x and y. Nearest-neighbour
            tokens carry none.
    """
    n, d_x, d_y = x.shape[1], x.shape[2], y.shape[2]
    widths = d_x, d_y
    both = (smooth_scores if differentiable else normal_scores)(torch.cat([x, y], dim=2))
    both = both.rows(content_order(both.normal, widths))
    u, v = both.split(widths)
    spectrum = Spectrum(both.normal, widths)
    coefficients = pairs.coefficients(u.uniform, v.uniform)
    turned = Swirl(u.normal, v.normal, coefficients.square().sum((2, 4)))
    near, all_local, lead_local = _neighbour_sets(u, v, spectrum, turned)
    # of one column a side they say all of the matched pair, too
    known = near[:, 0, : len(NEIGHBOURS)].numpy() if d_x == d_y == 1 else None
    matched = pairs.matched_pairs(u, v, coefficients, known)
    waves = _wave_tokens(u, v, spectrum, matched)
    averaged = matching.matching(u.normal, v.normal)
    tokens = {
        "spectrum": spectrum.tokens(),
        "pairs": matched.tokens,
        "neighbours": near,
        "features": waves,
        "swirl": turned.tokens(spectrum.held_out[1], spectrum.held_out_nats[1]),
        "table": _table_token(u, v, spectrum, matched),
        "rows": _row_tokens(spectrum, all_local, lead_local),
        "matching": averaged.tokens,
    }
    masks = all_there([group.shape[1] for group in tokens.values()], len(x))
    return Batch(
        tokens=dict(zip(tokens, squashed(list(tokens.values())), strict=True)),
        masks=dict(zip(tokens, masks, strict=True)) | {"matching": averaged.masks},
        anchors=anchors(spectrum, matched, near, waves, turned.total, averaged).float(),
        n=torch.full((len(x),), n),
        d_x=torch.full((len(x),), d_x),
        d_y=torch.full((len(x),), d_y),
    )


def squashed(groups: list[Tensor]) -> list[Tensor]:
    """Groups (B, T, F) as float32 with outliers tamed: identity near 0, logarithmic beyond about 5."""
    flat = torch.cat([group.flatten(1) for group in groups], dim=1)  # in one go: the number of calls takes the time
    tamed = (5.0 * torch.asinh(flat / 5.0)).float()
    parts = tamed.split_with_sizes([group.shape[1] * group.shape[2] for group in groups], dim=1)
    return [part.view(group.shape) for part, group in zip(parts, groups, strict=True)]


def all_there(lengths: list[int], batch: int) -> Sequence[Tensor]:
    """Masks (B, T) of groups of so many tokens, none of which is missing."""
    return torch.from_numpy(np.ones((batch, sum(lengths)), dtype=bool)).split_with_sizes(lengths, dim=1)


def _neighbour_sets(u: Scores, v: Scores, spectrum: Spectrum, turned: Swirl) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbour tokens (B, 6, F), and each token row's own contribution over all columns and along the first pair."""
    tied = np.stack([u.tied, v.tied], axis=1)
    x, y = _arrays(u.normal, v.normal)
    columns = spectrum.d_x + spectrum.d_y
    rows = budget(columns)
    if columns == 2:  # every other set would look at the same two columns
        sets = [_halved(x, y, tied, rows.all)] * NEIGHBOUR_SETS
    else:
        radius_s, radius_t = _arrays(*spectrum.radius.chunk(2, dim=2))
        turned_s, turned_t = _arrays(*turned.variates())
        sets = [
            _halved(x, y, tied, rows.all),
            *_canonical_sets(spectrum, tied, rows),
            _halved(radius_s, radius_t, tied, rows.leading),
            _halved(turned_s, turned_t, tied, rows.leading),
        ]
    tokens = _neighbour_tokens(sets)
    first, second = (torch.from_numpy(sets[kind][0].local[:, :TOKEN_ROWS]) for kind in (0, 1))
    return torch.from_numpy(tokens), first, second


def _halved(s: np.ndarray, t: np.ndarray, tied: np.ndarray, most: int) -> Entry:
    """KSG-1 on at most `most` rows of s and t (B, N, D), on half of these, and how many rows they were."""
    rows = min(s.shape[1], most)
    return ksg(s[:, :rows], t[:, :rows], tied), ksg(s[:, : rows // 2], t[:, : rows // 2], tied), rows


def _canonical_sets(spectrum: Spectrum, tied: np.ndarray, rows: Rows) -> list[Entry]:
    """KSG-1 on 1, 2 and 3 canonical pairs, and on rows along directions that others were fitted for."""
    n, most = spectrum.n, min(LEADING, spectrum.d_x, spectrum.d_y)
    s, t = _arrays(spectrum.s[..., :most], spectrum.t[..., :most])
    half_s, half_t = _arrays(spectrum.half_s[..., :most], spectrum.half_t[..., :most])
    one, more = min(n, rows.first), min(n, rows.leading)
    whole = ksg(s[:, :one, :1], t[:, :one, :1], tied)
    sets: list[Entry] = [(whole, ksg(half_s[:, : one // 2, :1], half_t[:, : one // 2, :1], tied), one)]
    if most > 1:
        wholes = ksg_leading(s[:, :more], t[:, :more], tied, most)
        parts = ksg_leading(half_s[:, : more // 2], half_t[:, : more // 2], tied, most)
        sets += [(whole, part, more) for whole, part in zip(wholes, parts, strict=True)]
    return sets + [sets[-1]] * (LEADING - len(sets))  # fewer columns: the largest set stands in


def _arrays(*parts: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(part.detach().cpu().numpy() for part in parts)


def _neighbour_tokens(sets: list[Entry]) -> np.ndarray:
    """Estimates at all rows and at half, their trend, their spread over rows, and which set it is, (B, 6, F)."""
    entries = {id(entry): entry for entry in sets}  # the same entry may stand for several sets
    described = dict(zip(entries, [_described(*entry) for entry in entries.values()], strict=True))
    values = np.stack([described[id(entry)] for entry in sets], axis=1)  # (B, 6, F - 6)
    kinds = np.broadcast_to(np.eye(NEIGHBOUR_SETS), (len(values), NEIGHBOUR_SETS, NEIGHBOUR_SETS))
    return np.concatenate([values, kinds], axis=2)


def _described(whole: Neighbours, part: Neighbours, rows: int) -> np.ndarray:
    middle = whole.nats[:, MIDDLE]
    further = [
        middle - part.nats[:, MIDDLE],
        np.sqrt(np.square(whole.local - middle[:, None]).sum(axis=1)) / rows,  # the standard error of the first
        whole.nats[:, 0] - whole.nats[:, -1],
        whole.excess,
        np.full(len(middle), math.log(rows) - 5.0),
    ]
    return np.concatenate([whole.nats, part.nats, np.array(further).T], axis=1)


def _wave_tokens(u: Scores, v: Scores, spectrum: Spectrum, matched: pairs.Pairs) -> Tensor:
    """Random-feature tokens of the leading canonical pairs and of the strongest matched columns, (B, 2, F)."""
    count = min(LEADING, spectrum.d_x, spectrum.d_y)
    if max(spectrum.d_x, spectrum.d_y) <= LEADING:  # all of both sides, not only what is matched
        s, t = _principal(spectrum.white_s, spectrum.t), _principal(spectrum.white_t, spectrum.s)
        sets = [(scaled(s), scaled(t))]
    else:
        sets = [(spectrum.unit_s[..., :count], spectrum.unit_t[..., :count])]
    strongest = min(2, count)
    if spectrum.d_x > 1 or spectrum.d_y > 1:  # in 1+1 dimensions both sets are the same
        sets.append((pairs.columns_of(u, matched.x[:, :strongest]), pairs.columns_of(v, matched.y[:, :strongest])))
    described = features.nonlinear_spectra(sets)
    both = torch.stack([described[0], described[-1]], dim=1)
    kinds = torch.eye(2, dtype=torch.float64).expand(len(both), -1, -1)
    return torch.cat([both, kinds], dim=-1)


def _principal(white: Tensor, other: Tensor) -> Tensor:
    """Columns of a whitened side in an order and orientation that follow from the data alone.

    Whitening by Cholesky depends on the order of columns. The axes become eigenvectors of the fourth-moment matrix
    E[|w|^2 w w^T] plus the dependence on the other side's leading variate, which no relabelling changes.
    """
    n, d = white.shape[1:]
    if d == 1:
        return white
    weight = white.square().sum(-1, keepdim=True) + 3.0 * other[..., :1].square()
    moment = white.transpose(1, 2) @ (weight * white) / n
    _, vectors = torch.linalg.eigh(moment)
    turned = white @ vectors.flip(-1)
    return turned * fix_signs(turned)


def _table_token(u: Scores, v: Scores, spectrum: Spectrum, matched: pairs.Pairs) -> Tensor:
    """Sizes, ties and totals, (B, 1, GLOBAL_FEATURES)."""
    a, b, c, d = [part for side in (u.ties, v.ties) for part in (side.mean(1), side.amax(1))]
    ties = [a + c, (a - c).abs(), b + d, (b - d).abs()]
    logs = torch.log(spectrum.radius + 1e-6)
    radial = correlation(logs[:, :, :1], logs[:, :, 1:])[:, 0]
    heavy = kurtosis(spectrum.radius.sqrt())  # (B, 2)
    _, fitted_nats, held_out, held_out_nats, gains = spectrum.totals.unbind()  # (L, B) each
    further = [
        *fitted_nats.unbind(),
        *held_out_nats.unbind(),
        *gains.unbind(),
        held_out[1],
        radial,
        heavy.sum(1) - 6.0,
        (heavy[:, 0] - heavy[:, 1]).abs(),
        matched.gaussian,
    ]
    sizes = torch.from_numpy(_sizes(spectrum.n, spectrum.d_x, spectrum.d_y)).expand(len(logs), -1)
    return torch.cat([sizes, torch.stack(ties + further, -1), matched.totals], dim=-1).unsqueeze(1)


@lru_cache(maxsize=64)
def _sizes(n: int, d_x: int, d_y: int) -> np.ndarray:
    """What the numbers of rows and columns have to say, (7,)."""
    small, large = min(d_x, d_y), max(d_x, d_y)
    return np.array(
        [
            math.log(n) - 5.0,
            math.log(small),
            math.log(large),
            math.log((d_x + d_y) / n),
            math.log(small * large / n),
            1.0 / math.sqrt(n),
            n**-0.5 * small,
        ]
    )


def _row_tokens(spectrum: Spectrum, all_local: Tensor, lead_local: Tensor) -> Tensor:
    """The first rows themselves, in coordinates without sides or signs, (B, R, ROW_FEATURES)."""
    s, t = spectrum.unit_s[:, :TOKEN_ROWS, :LEADING], spectrum.unit_t[:, :TOKEN_ROWS, :LEADING]
    square_s, square_t = s.square(), t.square()
    pairs = torch.stack([s * t, square_s + square_t, (square_s - square_t).abs()], dim=-1).flatten(2)  # (B, R, 3 C)
    pairs = torch.nn.functional.pad(pairs, (0, 3 * LEADING - pairs.shape[2]))
    columns = torch.from_numpy(np.array([spectrum.d_x, spectrum.d_y]))
    log_s, log_t = torch.log(spectrum.radius[:, :TOKEN_ROWS] / columns + 1e-6).unbind(2)
    further = [log_s + log_t, (log_s - log_t).abs(), log_s * log_t, all_local, lead_local]
    return torch.cat([pairs, torch.stack(further, dim=-1)], dim=-1)
