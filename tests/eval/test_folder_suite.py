"""A user's own folder is a suite, and whatever is wrong with it is said before a run starts."""

import numpy as np
import pytest

from eval.errors import EvalError
from eval.suites import SuiteOptions, folder, suite

HEADER = "file,mi_nats\n"


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.fixture
def tables(tmp_path, rng):
    """One table of every kind of file, the same numbers in each."""
    x, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "b_x.npy", x)
    np.save(tmp_path / "b_y.npy", y)
    rows = "".join(f"{v[0]!r}, {w!r}, {v[1]!r}\n" for v, w in zip(x.tolist(), y.tolist(), strict=True))
    (tmp_path / "c.csv").write_text("x1, y, X2\n" + rows)
    (tmp_path / "truths.csv").write_text(
        "file, mi_nats, family, group\na.npz, 0.5, first, easy\nb_x.npy, 0, , \nc.csv, 1e-1, first, easy\n"
    )
    return tmp_path, x, y


def test_every_kind_of_file_is_read(tables):
    path, x, y = tables
    cases = list(suite(str(path)))
    assert [case.key for case in cases] == ["a.npz/n=20/0", "b_x.npy/n=20/0", "c.csv/n=20/0"]
    assert [case.mi_nats for case in cases] == [0.5, 0.0, 0.1]
    assert [case.family for case in cases] == ["first", "own tables", "first"]
    assert [case.group for case in cases] == ["easy", "", "easy"]
    for case in cases:
        assert (case.x == x).all()
        assert (case.y == y[:, None]).all()


def test_a_limit_holds_for_a_folder_too(tables):
    assert len(suite(str(tables[0]), SuiteOptions(tables=2))) == 2


@pytest.mark.parametrize("options", [SuiteOptions(n=(16,)), SuiteOptions(repeats=2)])
def test_rows_and_draws_of_a_folder_cannot_be_chosen(tables, options):
    with pytest.raises(EvalError, match="its tables are used as they are: leave both out"):
        suite(str(tables[0]), options)


def test_a_folder_without_truths_is_refused(tmp_path):
    with pytest.raises(EvalError, match=r"without truths\.csv; wanted one with the columns file and mi_nats"):
        suite(str(tmp_path))


def test_a_path_that_does_not_exist_is_an_unknown_suite(tmp_path):
    with pytest.raises(EvalError, match=r"or a folder with truths\.csv"):
        suite(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "without a line below its header"),
        (HEADER, "without a line below its header"),
        ("name,mi_nats\na.npz,1\n", "with the columns name, mi_nats; wanted file and mi_nats"),
        ("file,mi_nats,mi_bits\na.npz,1,2\n", "with the columns file, mi_nats, mi_bits; wanted"),
        (HEADER + "a.npz\n", "line 2, with another number of values than its header"),
        (HEADER + "a.npz,1,2\n", "line 2, with another number of values than its header"),
        (HEADER + "a.npz,much\n", "got mi_nats = 'much' in .*, line 2; wanted a number of nats"),
        (HEADER + "a.npz,-0.1\n", "got mi_nats = '-0.1'"),
        (HEADER + "a.npz,nan\n", "got mi_nats = 'nan'"),
        (HEADER + "../a.npz,1\n", "got file = '../a.npz' in .*; wanted the name of a file inside the folder"),
        (HEADER + "a.npz,1\na.npz,2\n", r"with a\.npz in several lines"),
        (HEADER + "a.npz,1\nd.npz,2\n", r"d\.npz, which truths\.csv names but which does not exist"),
        (HEADER + "a.mat,1\n", r"wanted a file that ends in \.npz, \.npy, \.csv"),
        (HEADER + "b_y.npy,1\n", "wanted a pair NAME_x.npy and NAME_y.npy"),
    ],
)
def test_bad_truths_are_refused(tables, text, message):
    (tables[0] / "truths.csv").write_text(text)
    with pytest.raises(EvalError, match=message):
        suite(str(tables[0]))


def x_and_y(**change):
    sides = {"x": np.zeros((10, 2)), "y": np.zeros((10, 1))} | change
    return {name: side for name, side in sides.items() if side is not None}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (x_and_y(y=None), "with the arrays x; wanted x and y"),
        (x_and_y(y=np.zeros(9)), r"with x \(10, 2\) and y \(9,\); wanted"),
        (x_and_y(x=np.zeros((10, 2, 2))), r"with x \(10, 2, 2\)"),
        (x_and_y(x=np.zeros((10, 0))), r"with x \(10, 0\)"),
        (x_and_y(x=np.zeros((4, 2)), y=np.zeros(4)), "n the same and 8 or more"),
        (x_and_y(y=np.full(10, np.nan)), "with values that are not finite"),
        (x_and_y(y=np.array(["a"] * 10)), "which cannot be read as numbers"),
        (x_and_y(y=np.array([{}] * 10)), "wanted plain arrays, no objects"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(EvalError, match=message):
        folder.read_table(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npz", b"not a zip file", "cannot be read as numbers"),
        ("a.npz", b"", "cannot be read as numbers"),
        ("a_x.npy", b"", "without a_y.npy beside it; wanted both sides"),
        ("a.csv", b"x,z\n1,2\n", "with the columns x, z; wanted names that begin with x or with y"),
        ("a.csv", b"x1,x2\n1,2\n", "with the columns x1, x2; wanted"),
        ("a.csv", b"x,y\n1,two\n", "cannot be read as numbers"),
        ("a.csv", b"x,y\n1\n", "cannot be read as numbers"),
        ("a.csv", b"", "cannot be read as numbers"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvalError, match=message):
        folder.read_table(tmp_path / name)
