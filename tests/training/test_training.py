import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import mist
from data_gen.store import Store
from mist import checkpoint
from mist.network import Network, NetworkConfig
from mist.statistics import GROUPS
from training.calibrate import CalibrateConfig, by_laws, calibrate
from training.config import PRESETS, Schedule, TrainConfig, TrainingError
from training.loader import Loader
from training.logbook import Logbook, read
from training.loop import train
from training.measure import loss, summary
from training.schedule import learning_rate
from training.state import states
from training.tokens import TokenCache, token_folder

NETWORK = NetworkConfig(width=16, depth=1, heads=2, row_width=8, row_queries=2)


@pytest.fixture
def config(data, tokens, tmp_path):
    return TrainConfig(
        data=data, out=str(tmp_path / "run"), tokens=tokens, network=NETWORK, steps=12, batch=16,
        validate_every=4, save_every=4, workers=1, threads=1, wandb="disabled",
    )  # fmt: skip


@pytest.fixture
def cache(data, tokens):
    cache = TokenCache(data, "train", token_folder(tokens, "", data))
    cache.fill(workers=1, quiet=True)
    return cache


def weights(run):
    return load_file(f"{run}/checkpoint/model.safetensors")


def assert_same_weights(one, two):
    one, two = weights(one), weights(two)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


class Stop(Exception):
    """What stands for a power cut."""


def test_an_interrupted_run_reaches_the_same_weights(config, tmp_path, monkeypatch):
    whole = train(config)
    broken = replace(config, out=str(tmp_path / "broken"))
    with monkeypatch.context() as patch:
        patch.setattr("training.loop._validate", lambda network, watched: (_ for _ in ()).throw(Stop))
        with pytest.raises(Stop):
            train(replace(broken, validate_every=10))  # states of steps 4 and 8 are there
    assert [path.name for path in states(tmp_path / "broken")] == [
        "state-00000004.safetensors",
        "state-00000008.safetensors",
    ]
    with pytest.raises(TrainingError, match=r"another configuration.*schedule"):
        train(replace(broken, resume=True))
    train(replace(broken, validate_every=10, resume=True))
    assert_same_weights(whole, broken.out)


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_weights(config, tmp_path):
    whole = train(replace(config, steps=200, save_every=10))
    out = tmp_path / "killed"
    command = [
        sys.executable, "-m", "training", "--data", config.data, "--out", str(out), "--tokens", config.tokens,
        "--network.width", "16", "--network.depth", "1", "--network.heads", "2", "--network.row-width", "8",
        "--network.row-queries", "2", "--steps", "200", "--batch", "16", "--validate-every", "4", "--save-every", "10",
        "--workers", "1", "--threads", "1", "--wandb", "disabled",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    while len(states(out)) < 2:
        time.sleep(0.05)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([*command, "--resume"], check=True)
    assert_same_weights(whole, out)
    steps = [row["step"] for row in read(out / "metrics.jsonl")]
    assert steps == sorted(set(steps))


def test_a_finished_run_is_left_alone_and_another_config_is_refused(config, capfd):
    train(config)
    before = weights(config.out)
    train(config)
    assert "nothing to do" in capfd.readouterr().err
    assert all(torch.equal(before[name], part) for name, part in weights(config.out).items())
    with pytest.raises(TrainingError, match="seed: 0 there, 1 here"):
        train(replace(config, seed=1))


def test_a_run_begins_with_the_weights_of_another(config, tmp_path):
    first = train(config)
    second = replace(config, out=str(tmp_path / "second"), begin=first, learning_rate=1e-12, seed=7)
    one, two = weights(first), weights(train(second))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-5, atol=1e-6)
    kept = json.loads((tmp_path / "second" / "config.json").read_text())["begin"]
    assert kept["weights"] == checkpoint.load_weights(first).fingerprint
    assert kept["data"]["preset"] == Store.open(config.data).config["preset"]
    assert kept["weights"][:16] in checkpoint.load(second.out).card
    with pytest.raises(TrainingError, match="weights of another network"):
        train(replace(second, out=str(tmp_path / "third"), network=replace(NETWORK, width=32)))


def test_a_run_begins_with_a_network_that_read_less(config, tmp_path):
    first = checkpoint.locate(checkpoint.Path(train(config)))
    found = checkpoint.load_weights(first)
    lacking = replace(found.config, features=found.config.features[:-1], anchors=found.config.anchors - 1)
    last = list(GROUPS)[-1]
    weights = {name: weight for name, weight in found.values.items() if last not in name}
    for name in ("means.table", "scales.table", "mix.weight", "mix.bias"):
        weights[name] = weights[name][:-1]
    weights["embed.table.0.weight"] = weights["embed.table.0.weight"][:, :-1].contiguous()
    save_file(weights, first / checkpoint.WEIGHTS)
    record = json.loads((first / checkpoint.CONFIG).read_text())
    record["network"] = asdict(lacking)
    (first / checkpoint.CONFIG).write_text(json.dumps(record))
    sums = [f"{sha256((first / name).read_bytes()).hexdigest()}  {name}" for name in checkpoint.REQUIRED]
    (first / checkpoint.SUMS).write_text("\n".join(sums) + "\n")
    second = replace(config, out=str(tmp_path / "second"), begin=str(first), learning_rate=1e-12)
    grown = checkpoint.load(train(second)).network.state_dict()
    torch.testing.assert_close(grown["mix.weight"][:-1], weights["mix.weight"], rtol=1e-5, atol=1e-6)
    assert grown["mix.weight"][-1].abs().max() < 1e-6
    assert grown["mix.bias"][-1] == pytest.approx(-5.0, abs=1e-5)
    assert grown[f"scales.{last}"].shape == (GROUPS[last],)
    with pytest.raises(TrainingError, match="weights of another network"):
        train(replace(second, network=replace(NETWORK, anchors=3), out=str(tmp_path / "third")))


def test_an_unfinished_run_wants_resume(config, monkeypatch):
    monkeypatch.setattr("training.loop._finish", lambda *arguments: None)
    train(config)
    with pytest.raises(TrainingError, match="--resume"):
        train(config)


def test_the_log_and_the_checkpoint_tell_what_happened(config):
    run = train(config)
    rows = read(checkpoint.Path(run) / "metrics.jsonl")
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert {"loss", "rate", "validation/pinball", "validation/coverage90"} <= rows[-1].keys()
    found = checkpoint.load(run)
    assert found.provenance["training"]["schedule"]["steps"] == 12
    assert found.limits.d_max == 8
    assert "gaussian" in found.card


def test_training_learns(config):
    run = train(replace(config, steps=60, batch=64, validate_every=20, learning_rate=5e-3))
    rows = read(checkpoint.Path(run) / "metrics.jsonl")
    assert rows[-1]["validation/pinball"] < rows[0]["validation/pinball"]


def test_calibration_is_put_into_the_checkpoint_once(config, capfd):
    run = train(config)
    wanted = CalibrateConfig(run=run, data=config.data, tokens=config.tokens, shifted=(config.data,), workers=1)
    folder = calibrate(wanted)
    found = checkpoint.load(folder)
    assert found.calibration is not None
    assert found.calibration.cautious is not None
    calibrate(wanted)
    assert "calibrated already" in capfd.readouterr().err
    rng = np.random.default_rng(0)
    estimate = mist.load(run, device="cpu").estimate(rng.normal(size=(60, 2)), rng.normal(size=60))
    assert estimate.interval[0] <= estimate.mi <= estimate.interval[1]


def test_shifted_tables_are_parted_by_whole_laws(cache):
    tables = cache.read_all()
    tables = replace(tables, family=torch.arange(len(tables)) % 7)
    parts = by_laws("other", tables)
    assert list(parts) == ["other, 1 of 3", "other, 2 of 3", "other, 3 of 3"]
    laws = [set(part.family.tolist()) for part in parts.values()]
    assert sorted(law for part in laws for law in part) == sorted(set(tables.family.tolist()))
    assert max(map(len, laws)) - min(map(len, laws)) <= 1
    assert sum(map(len, parts.values())) == len(tables)
    few = tables.take(torch.arange(250))
    assert by_laws("other", few) == {"other": few}


def test_batches_are_a_function_of_their_number(cache):
    loader = Loader([cache], batch=50, seed=3)
    first = loader.batches()
    some = [next(first) for _ in range(20)]  # into the second epoch: 800 tables make 16 batches
    later = Loader([cache], batch=50, seed=3).batches(start=17)
    for expected in some[17:]:
        found = next(later)
        assert torch.equal(found.mi_nats, expected.mi_nats)
        assert torch.equal(found.batch.anchors, expected.batch.anchors)
    assert not torch.equal(some[0].mi_nats, some[16].mi_nats)


def test_an_epoch_shows_every_table_once(cache):
    loader = Loader([cache], batch=50, seed=0)
    batches = loader.batches()
    seen = torch.cat([next(batches).mi_nats for _ in range(16)])
    assert torch.equal(seen.sort().values, cache.read_all().mi_nats.sort().values)


def test_tables_of_two_stores_are_shuffled_together(config, cache, other_data, tokens):
    further = TokenCache(other_data, "train", token_folder(tokens, "", other_data))
    further.fill(workers=1, quiet=True)
    batches = Loader([cache, further], batch=50, seed=0).batches()
    seen = [next(batches).mi_nats for _ in range(20)]
    both = torch.cat([cache.read_all().mi_nats, further.read_all().mi_nats])
    assert torch.equal(torch.cat(seen).sort().values, both.sort().values)
    new = further.read_all().mi_nats
    assert sum(bool(torch.isin(part, new).any()) for part in seen) > 10
    run = train(replace(config, also=(other_data,), steps=4, shards=2))
    found = checkpoint.load(run, uncalibrated=True)
    assert [made_by["seed"] for made_by in (found.provenance["data"], *found.provenance["also"])] == [0, 1]
    assert "preset `tiny`, seed 0; preset `tiny`, seed 1: 520 tables" in found.card


def test_processes_share_a_batch_without_overlap(cache):
    whole = next(Loader([cache], 50, seed=0).batches())
    parts = [next(Loader([cache], 50, 0, rank, 2).batches()) for rank in (0, 1)]
    together = torch.cat([part.mi_nats for part in parts])
    assert torch.equal(together.sort().values, whole.mi_nats.sort().values)


def test_tokens_are_those_of_the_stored_tables(cache, data):
    table = Store.open(data).read_shard("train", 1)[7]
    expected = mist.prepare.tabulate([(table.x, table.y)])
    found = cache.read(1).take(torch.tensor([7]))
    torch.testing.assert_close(found.batch.anchors, expected.anchors)
    assert float(found.mi_nats[0]) == pytest.approx(table.mi_nats, rel=1e-6)


def test_tokens_of_other_code_are_made_anew(cache, monkeypatch):
    path = cache.path(0)
    before = path.stat().st_mtime_ns
    cache.fill(workers=1, quiet=True)
    assert path.stat().st_mtime_ns == before
    monkeypatch.setattr("training.tokens._sources", lambda: b"other code")
    cache.fill(workers=1, quiet=True)
    assert path.stat().st_mtime_ns > before


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    schedule = Schedule(steps=100, learning_rate=1.0, warmup=10)
    rates = [learning_rate(schedule, step) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


@pytest.mark.parametrize("field", ["steps", "batch", "learning_rate", "stop", "shards"])
def test_nonsense_numbers_are_refused(field):
    for value in (0, -5, float("nan")):
        with pytest.raises(TrainingError, match=f"got {field} = {value}, wanted more than 0"):
            TrainConfig(data="a", out="b", **{field: value}).schedule()
    for name in ("workers", "threads", "seed"):
        with pytest.raises(TrainingError, match=f"got {name} = -1, wanted 0 or more"):
            TrainConfig(data="a", out="b", **{name: -1}).schedule()


def test_presets_are_named_in_the_help():
    assert set(PRESETS) == {"tiny", "small", "full"}


def test_the_loss_is_least_at_the_true_quantiles():
    torch.manual_seed(0)
    truth = torch.distributions.Exponential(1.0).sample((20000,))
    levels = torch.tensor(mist.quantiles.LEVELS)
    right = -torch.log1p(-levels).expand(len(truth), -1)
    assert loss(right, truth) < loss(right * 1.1, truth)
    assert loss(right, truth) < loss(right * 0.9, truth)
    assert summary(right, truth)["coverage90"] == pytest.approx(0.9, abs=0.01)


def test_resuming_cuts_the_log_after_the_step(tmp_path):
    with Logbook(tmp_path, {}, "disabled", "mist", 0) as logbook:
        for step in (1, 2, 3):
            logbook.log(step, loss=1.0 / step)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # what a kill leaves
    with Logbook(tmp_path, {}, "disabled", "mist", 2) as logbook:
        logbook.log(3, loss=0.5)
    assert read(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}, {"step": 3, "loss": 0.5},
    ]  # fmt: skip


def test_weights_and_biases_logs_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with Logbook(tmp_path, {"seed": 0}, "offline", "mist", 0) as logbook:
        logbook.log(1, loss=0.5)
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_weights_and_biases_online_needs_someone_who_is_logged_in(config, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")

    def login():
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "login", login)
    with pytest.raises(TrainingError, match=r"nobody is logged in .*or pass --wandb offline"):
        train(replace(config, wandb="online"))
    assert not (tmp_path / "run").exists()


def test_a_finished_run_without_its_record_is_named(config, tmp_path):
    train(config)
    (tmp_path / "run" / "config.json").write_text('{"seed": ')
    with pytest.raises(TrainingError, match=r"no whole config\.json"):
        train(config)


def test_a_damaged_state_is_named(config, tmp_path):
    train(config)
    path = states(tmp_path / "run")[-1]
    path.write_bytes(path.read_bytes()[:100])
    (tmp_path / "run" / "checkpoint").rename(tmp_path / "moved")
    with pytest.raises(TrainingError, match="damaged state"):
        train(replace(config, resume=True))


def test_an_incomplete_store_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="no store"):
        train(replace(config, data=str(tmp_path / "nowhere")))
    assert not os.path.exists(config.out)


def test_a_run_config_is_json(config):
    train(config)
    record = json.loads((checkpoint.Path(config.out) / "config.json").read_text())
    assert record["network"]["width"] == 16
    assert Network(NetworkConfig(**{**record["network"], "features": tuple(record["network"]["features"])}))


def test_a_run_that_ended_early_goes_on(config, tmp_path):
    train(replace(config, stop=8))
    with pytest.raises(TrainingError, match="pass --resume"):
        train(config)
    train(replace(config, resume=True))
    assert checkpoint.load(config.out).provenance["steps_done"] == 12
    whole = replace(config, out=str(tmp_path / "whole"))
    train(whole)
    assert_same_weights(config.out, whole.out)


def test_other_data_under_the_same_path_is_refused(config, data, other_data, tmp_path):
    moved = tmp_path / "data"
    shutil.copytree(data, moved)
    given = replace(config, data=str(moved), steps=4)
    train(given)
    shutil.rmtree(moved)
    shutil.copytree(other_data, moved)
    with pytest.raises(TrainingError, match=r"finished run of another configuration in .*\(stores: "):
        train(given)


def test_sets_that_cannot_be_used_are_refused_before_any_work(config, data, test_data):
    with pytest.raises(TrainingError, match="two validation sets named 'tiny'"):
        train(replace(config, watch=(data, data)))
    with pytest.raises(TrainingError, match="without a train split, wanted one; it has test"):
        train(replace(config, also=(test_data,)))
    assert not checkpoint.Path(config.out).exists()
    with pytest.raises(TrainingError, match="without a calibration split"):
        calibrate(CalibrateConfig(run=train(replace(config, steps=2)), data=test_data, tokens=config.tokens))


def test_a_step_that_diverges_is_named(config):
    with pytest.raises(TrainingError, match=r"at step .* smaller --learning-rate"):
        train(replace(config, learning_rate=1e30))


def test_a_checkpoint_s_own_folder_can_be_calibrated(config, data):
    run = train(config)
    calibrate(CalibrateConfig(run=f"{run}/checkpoint", data=data, workers=1))
    assert checkpoint.load(run).calibration is not None


def test_what_no_offset_came_from_is_measured_on_all_it_holds(config, data, other_data, test_data):
    """But for the tables to train on and to watch: 50 to calibrate and 25 to test, where nothing was fitted."""
    wanted = CalibrateConfig(
        run=train(config), data=data, tokens=config.tokens, measured=(other_data, test_data), workers=1
    )
    card = checkpoint.load(calibrate(wanted)).card
    for name, tables in (("tiny", 100), ("other", 75), ("blind", 8)):
        assert f"| {name} | calibrated | {tables} |" in card


def test_offsets_that_are_kept_are_measured_on_other_tables_and_stay_as_they_are(config, data, other_data):
    run = train(config)
    kept = CalibrateConfig(run=run, data=other_data, tokens=config.tokens, workers=1, keep=True)
    with pytest.raises(TrainingError, match="no offsets to keep"):
        calibrate(kept)
    before = checkpoint.load(calibrate(CalibrateConfig(run=run, data=data, tokens=config.tokens, workers=1)))
    after = checkpoint.load(calibrate(kept))
    assert after.calibration == before.calibration
    assert after.provenance == before.provenance
    assert "| other | calibrated | 75 |" in after.card
    assert "| tiny |" not in after.card


def test_a_run_can_end_before_its_schedule(config):
    stopped = train(replace(config, stop=8, validate_every=8))
    whole = train(replace(config, out=config.out + "-whole", validate_every=8))
    found = checkpoint.load(stopped)
    assert found.provenance["steps_done"] == 8
    assert "8 of 12 scheduled steps" in found.card
    assert (
        read(checkpoint.Path(stopped) / "metrics.jsonl")[-1]["loss"]
        == read(checkpoint.Path(whole) / "metrics.jsonl")[0]["loss"]
    )
