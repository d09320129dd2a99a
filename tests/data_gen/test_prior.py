"""Priors: exact shapes, many laws, shares as promised, families kept out."""

from dataclasses import replace

import numpy as np
import pytest

from data_gen.errors import DataGenError
from data_gen.prior import PRESETS, Prior, Shape, draw_nats, mist_map, preset
from data_gen.registry import FAMILIES
from data_gen.rng import SPLITS, seeded, stream
from data_gen.shares import BLIND, HELD_OUT, SHIFT
from data_gen.spec import Spec

# Flows cost milliseconds each and are tested on their own.
WIDE = replace(preset("wide").prior, flow_share=0.0)
WIDE_SHIFT = preset("wide-shift").prior


def specs(prior: Prior, count: int, seed: int = 0) -> list[tuple[Shape, Spec]]:
    drawn = []
    for row in range(count):
        rng = stream(seed, "train", 0, row)
        shape = prior.draw_shape(rng)
        drawn.append((shape, prior.draw(rng, shape)))
    return drawn


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Shape, Spec]]:
    return specs(WIDE, 1200)


def families_of(spec: Spec) -> set[str]:
    return {spec.family} | {name for name, _ in (spec.params["blocks"] if spec.family == "product" else ())}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_tables_have_the_shape_and_are_finite(name: str) -> None:
    for row, (shape, spec) in enumerate(specs(preset(name).prior, 60)):
        joint = Spec.from_json(spec.to_json()).build()
        assert (joint.d_x, joint.d_y) == (shape.d_x, shape.d_y)
        x, y = joint.sample(seeded(row), shape.n)
        for side, d in ((x, shape.d_x), (y, shape.d_y)):
            assert side.shape == (shape.n, d)
            assert np.isfinite(side.astype(np.float32)).all()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_can_be_cut_into_shards(name: str) -> None:
    one = preset(name)
    assert set(one.tables) <= set(SPLITS)
    assert one.shard_tables % one.prior.tables_per_shape == 0
    for tables in one.tables.values():
        assert tables % one.shard_tables == 0


def test_shapes_keep_to_their_law() -> None:
    rng = seeded(1)
    shapes = [WIDE.draw_shape(rng) for _ in range(4000)]
    wide = [shape for shape in shapes if not shape.mist]
    mist = [shape for shape in shapes if shape.mist]
    assert len(mist) / len(shapes) == pytest.approx(0.25, abs=0.03)
    assert all(10 <= s.n <= 500 and 2 <= s.d_x == s.d_y <= 32 for s in mist)
    assert all(16 <= s.n <= 8192 and min(s.d_x, s.d_y) >= 1 and max(s.d_x, s.d_y) <= 64 for s in wide)
    assert all(s.n * (s.d_x + s.d_y) <= 200_000 for s in wide)
    assert any(s.n > 7000 and min(s.d_x, s.d_y) >= 8 for s in wide)
    assert 0.2 < np.mean([s.d_x == s.d_y <= 2 for s in wide]) < 0.32
    assert {s.d_x for s in wide} >= set(range(1, 30))
    low = np.mean([max(s.d_x, s.d_y) <= 5 for s in wide])
    assert 0.5 < low < 0.8
    assert 0.25 < np.mean([s.d_x != s.d_y for s in wide]) < 0.5


def test_training_sees_more_tables_of_few_rows() -> None:
    prior = preset("wide-seen").prior
    rng = seeded(4)
    shapes = [prior.draw_shape(rng) for _ in range(8000)]
    mist = [shape for shape in shapes if shape.mist]
    assert all(10 <= s.n <= 500 and 2 <= s.d_x == s.d_y <= 32 for s in mist)
    few = np.mean([s.n <= 36 for s in mist])
    assert few == pytest.approx(0.5 * np.log(36.5 / 10) / np.log(50) + 0.5 * 27 / 491, abs=0.03)
    assert 8 <= min(s.n for s in shapes) < 10
    assert 0.1 < np.mean([s.n <= 36 for s in shapes if not s.mist]) < 0.3


def test_information_is_spread_over_the_strata(drawn: list[tuple[Shape, Spec]]) -> None:
    nats = np.array([spec.build().truth().nats for _, spec in drawn])
    share = np.histogram(nats, [-1.0, 1e-9, 0.05, 0.3, 1.0, 4.0, 100.0])[0] / len(nats)
    bounds = [(0.06, 0.2), (0.06, 0.2), (0.1, 0.3), (0.15, 0.35), (0.2, 0.4), (0.05, 0.2)]
    for got, (low, high) in zip(share, bounds, strict=True):
        assert low < got < high
    assert (nats < 50).all()


def test_nobody_aims_at_more_than_a_sample_can_tell() -> None:
    rng = seeded(2)
    for n in (16, 100, 4096):
        assert max(draw_nats(rng, n) for _ in range(500)) <= 1 + np.log(n)


@pytest.mark.parametrize(
    "name", ["wide", "rough-seen", "late-seen", "judged-seen", "edged-seen", "pictured-seen", "added-seen"]
)
def test_every_family_of_the_prior_is_drawn(name: str) -> None:
    prior = replace(preset(name).prior, mist_share=0.0)
    rng = seeded(3)
    seen = {prior.draw(rng, Shape(400, 3, 2)).family for _ in range(1800)}
    assert seen >= set(prior.families)


def test_every_family_is_in_a_prior() -> None:
    presets = (
        "wide",
        "rough-seen",
        "late-seen",
        "judged-seen",
        "edged-seen",
        "pictured-seen",
        "added-seen",
        "wide-shift",
        "wide-blind",
    )
    assert {name for prior in presets for name in preset(prior).prior.families} == set(FAMILIES.names())


@pytest.mark.parametrize(
    "name",
    [
        "wide-seen",
        "few-seen",
        "rough-seen",
        "late-seen",
        "judged-seen",
        "edged-seen",
        "pictured-seen",
        "added-seen",
        "bent-seen",
    ],
)
def test_training_never_sees_a_family_kept_out(name: str) -> None:
    assert not {*HELD_OUT, *SHIFT, *BLIND} & set(preset(name).prior.families)


def test_presets_for_weak_spots_are_full_of_them() -> None:
    rng = seeded(6)
    few = [preset("few-seen").prior.draw_shape(rng) for _ in range(2000)]
    assert np.mean([shape.n <= 36 for shape in few]) > 0.3
    rough = preset("rough-seen").prior
    shapes = [rough.draw_shape(rng) for _ in range(400)]
    assert max(shape.n for shape in shapes) > 8192
    specs = [rough.draw(rng, shape) for shape in shapes]
    assert np.mean(["spiral" in spec.to_json() or "swirl" in spec.to_json() for spec in specs]) > 0.3
    bent = preset("bent-seen").prior
    texts = [bent.draw(rng, bent.draw_shape(rng)).to_json() for _ in range(100)]
    assert all("spiral" in text or "swirl" in text or "swiss_roll" in text for text in texts)
    added = preset("added-seen").prior
    texts = [added.draw(rng, added.draw_shape(rng)).to_json() for _ in range(400)]
    assert np.mean(["redundant_columns" in text for text in texts]) > 0.25
    assert np.mean(["redundant_columns" in text for text in texts if "spiral" in text or "swirl" in text]) > 0.25


def test_families_kept_out_are_never_seen() -> None:
    out = ("gumbel", "noisy_shells", "student_mixture", "gaussian_sparse")
    prior = WIDE.without(*out)
    drawn = [families_of(spec) for _, spec in specs(prior, 800)]
    assert not set().union(*drawn) & set(out)
    assert "product" in set().union(*drawn)
    assert not set(prior.families) & set(out)


def test_the_lists_kept_out_share_nothing_with_training() -> None:
    seen, shift, unseen = (set(preset(f"wide-{part}").prior.families) for part in ("seen", "shift", "unseen"))
    assert (shift, unseen) == (set(SHIFT), set(HELD_OUT))
    assert min(len(shift), len(unseen)) >= 6
    assert not seen & (shift | unseen)
    assert not shift & unseen
    assert seen | shift | unseen >= set(preset("wide").prior.families)
    drawn = set().union(*(families_of(spec) for _, spec in specs(replace(WIDE_SHIFT, flow_share=0.0), 200)))
    assert drawn == shift


def test_no_law_has_more_detail_than_the_rows_can_show(drawn: list[tuple[Shape, Spec]]) -> None:
    detailed = [(shape, spec.build().family) for shape, spec in drawn if not shape.mist]
    assert max(family.rows_needed() for _, family in detailed) > 50
    assert all(family.rows_needed() <= shape.n for shape, family in detailed)


def test_ties_are_common_without_dependence_and_mostly_left_whole(drawn: list[tuple[Shape, Spec]]) -> None:
    joints = [spec.build() for _, spec in drawn]
    null = [joint for joint in joints if joint.family.name == "independence"]
    assert np.mean([joint.family.tied for joint in null]) == pytest.approx(0.45, abs=0.15)
    mixing = ("rotation", "linear", "spiral", "swirl")
    tied = [joint for joint in joints if joint.family.tied]
    hidden = np.mean([any(step.name in mixing for step in (*joint.x_steps, *joint.y_steps)) for joint in tied])
    assert 0.0 < hidden < 0.2


def test_a_share_of_tables_has_redundant_columns_or_bends(drawn: list[tuple[Shape, Spec]]) -> None:
    names = [[name for name, _ in (*s.x_transforms, *s.y_transforms)] for _, s in drawn]
    assert 0.01 < np.mean(["redundant_columns" in maps for maps in names]) < 0.08
    assert np.mean([not {"spiral", "swirl"}.isdisjoint(maps) for maps in names]) > 0.1
    assert any("swiss_roll" in maps for maps in names)


def test_same_stream_same_spec() -> None:
    assert specs(WIDE, 30) == specs(WIDE, 30)
    assert specs(WIDE, 30) != specs(WIDE, 30, seed=1)


def test_streams_of_different_splits_never_make_the_same_table() -> None:
    shape, tables = Shape(20, 3, 3), []
    for split in SPLITS:
        for row in range(100):
            rng = stream(0, split, 0, row)
            x, y = WIDE.draw(rng, shape).build().sample(rng, shape.n)
            tables.append(np.concatenate([x, y], axis=1).astype(np.float32).tobytes())
    assert len(set(tables)) == len(tables)


def test_flow_share() -> None:
    def has_flow(spec: Spec) -> bool:
        return any(name == "flow" for name, _ in (*spec.x_transforms, *spec.y_transforms))

    prior = replace(preset("tiny").prior, flow_share=0.5)
    assert np.mean([has_flow(spec) for _, spec in specs(prior, 600)]) == pytest.approx(0.5, abs=0.1)
    assert not any(has_flow(spec) for _, spec in specs(WIDE, 300))


def test_mist_presets_have_mists_laws() -> None:
    for name in ("mist-train", "mist-imd", "mist-oomd"):
        laws = preset(name).prior.mist_laws
        seen = set()
        for shape, spec in specs(preset(name).prior, 300):
            assert shape.d_x == shape.d_y
            curves = {tuple(step.name for step in mist_map(curve, "x", 1)): curve for _, curve in laws}
            seen.add((spec.family, curves[tuple(name for name, _ in spec.x_transforms)]))
        assert seen == set(laws)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DataGenError, match="unknown preset 'huge'; known: tiny"):
        preset("huge")
    with pytest.raises(DataGenError, match="unknown family 'gumble'"):
        WIDE.without("gumble")
    with pytest.raises(DataGenError, match="unknown map 'log' of MIST"):
        mist_map("log", "x", 2)
    with pytest.raises(DataGenError, match="no family left"):
        WIDE.without(*FAMILIES.names())
