"""A checkpoint comes back exactly as it was saved, or not at all."""

import json
import shutil

import pytest
import torch

from mist import checkpoint
from mist.checkpoint import CALIBRATION, CARD, CONFIG, SUMS, WEIGHTS, load, save
from mist.errors import CheckpointError


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def reseal(folder) -> None:
    """Make the checksums true again, as one would who edits a checkpoint on purpose."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text("".join(f"{checkpoint._digest(folder / name)}  {name}\n" for name in names))


def edit_config(folder, change) -> None:
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))
    reseal(folder)


def test_what_was_saved_comes_back(trained, folder):
    back = load(folder)
    assert back.calibration == trained.calibration
    assert back.limits == trained.limits
    assert back.provenance == trained.provenance
    assert back.card == trained.card
    assert back.network.config == trained.network.config
    assert not back.network.training
    for name, weights in trained.network.state_dict().items():
        torch.testing.assert_close(back.network.state_dict()[name], weights, rtol=0, atol=0)


def test_the_same_checkpoint_has_the_same_bytes(trained, folder, tmp_path):
    again = save(tmp_path / "again", trained)
    for path in folder.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_loading_leaves_the_global_random_state_alone(folder):
    before = torch.get_rng_state()
    load(folder)
    assert torch.equal(before, torch.get_rng_state())


def test_saving_again_replaces_the_whole_folder(trained, tmp_path):
    path = save(tmp_path / "model", trained)
    save(path, checkpoint.Checkpoint(trained.network, None, trained.limits, {}, "# Another\n"))
    assert not (path / CALIBRATION).exists()
    assert load(path).card == "# Another\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_run_folder_is_as_good_as_its_checkpoint(trained, tmp_path):
    save(tmp_path / "run" / checkpoint.FOLDER, trained)
    (tmp_path / "run" / CONFIG).touch()  # the run's own
    assert load(tmp_path / "run").card == trained.card


def test_other_folders_are_never_overwritten(trained, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CheckpointError, match=r"holds \['thesis.tex'\]"):
        save(tmp_path, trained)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD, CALIBRATION, SUMS])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"without {name}"):
        load(copy)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD, CALIBRATION])
def test_one_changed_byte_is_noticed(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"got {name} in .* with another checksum"):
        load(copy)


def test_a_cut_off_file_is_noticed(copy):
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="another checksum"):
        load(copy)
    reseal(copy)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load(copy)


EDITS = {
    "version": (lambda c: c.update(format=99), "got a checkpoint of format 99 .* wanted format 2"),
    "unknown key": (lambda c: c.update(extra=1), "keys .*'extra'.* wanted exactly"),
    "unknown network key": (lambda c: c["network"].update(dropout=0.1), r"unknown keys \['dropout'\]"),
    "absent network key": (lambda c: c["network"].pop("depth"), r"no \['depth'\]"),
    "absent limit": (lambda c: c["limits"].pop("d_max"), r"no \['d_max'\] in the limits"),
    "other sizes": (lambda c: c["network"].update(width=32), "do not fit the network"),
    "other depth": (lambda c: c["network"].update(depth=2), r"do not fit the network: blocks\.1"),
    "other statistics": (lambda c: c["network"].update(anchors=3), "network for anchors = 3"),
}


@pytest.mark.parametrize(("change", "message"), EDITS.values(), ids=EDITS.keys())
def test_an_edited_config_is_refused(copy, change, message):
    edit_config(copy, change)
    with pytest.raises(CheckpointError, match=message):
        load(copy)


def test_no_checkpoint_is_never_answered_with_random_weights(tmp_path):
    with pytest.raises(CheckpointError, match="a folder without a checkpoint"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="a path that does not exist"):
        load(tmp_path / "nowhere")
