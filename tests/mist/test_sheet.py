"""CSV files: what is read, and what is refused with its row and column."""

import numpy as np
import pytest

from mist.errors import InputError
from mist.sheet import read_csv


@pytest.fixture
def written(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_quotes_and_line_ends(written, delimiter, newline):
    lines = [["age", f'"b{delimiter} m"'], ["1", '" 2.5"'], [], ["-3e2", '"4"']]
    sheet = read_csv(written("\ufeff" + newline.join(delimiter.join(line) for line in lines) + newline))
    assert sheet.names == ("age", f"b{delimiter} m")
    np.testing.assert_array_equal(sheet.numbers(sheet.names), [[1, 2.5], [-300, 4]])


def test_a_delimiter_within_quotes_is_none(written):
    assert read_csv(written('"age, years";"bmi, kg/m2";z\n1;2;3\n')).names == ("age, years", "bmi, kg/m2", "z")


def test_columns_come_in_the_order_asked_for_and_numeric_ones_are_found(written):
    sheet = read_csv(written("a,b,c,d\n1,x,3,\n4,y,6,7\n"))
    np.testing.assert_array_equal(sheet.numbers(["c", "a"]), [[3, 1], [6, 4]])
    assert sheet.numeric_names() == ["a", "c", "d"]


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "null"])
def test_missing_values_are_counted_and_located(written, cell):
    sheet = read_csv(written(f"a,b\n1,2\n3,{cell}\n5,{cell}\n"))
    with pytest.raises(
        InputError, match=r"got 2 missing values in column 'b' of .*, the first in line 3; fill them in"
    ):
        sheet.numbers(["a", "b"])


@pytest.mark.parametrize("cell", ["high", "1_000", "1,5", "12 mm"])
def test_text_is_located(written, cell):
    sheet = read_csv(written(f'a,b\n1,2\n3,"{cell}"\n'))
    with pytest.raises(InputError, match=f"got '{cell}' in line 3, column 'b' of .*, wanted a number"):
        sheet.numbers(["b"])


def test_absent_columns_are_answered_with_those_there_are(written):
    with pytest.raises(InputError, match=r"got column 'bmi' for .*, wanted one of age, sex"):
        read_csv(written("age,sex\n1,2\n")).numbers(["age", "bmi"])


REFUSED = {
    "empty": ("", "got 0 lines"),
    "header alone": ("a,b\n", "got 1 lines"),
    "no header": ("1,2\n3,4\n", "wanted a header"),
    "repeated name": ("a,b,a\n1,2,3\n", "got column 'a' more than once"),
    "short row": ("a,b\n1,2\n3\n", "got 1 fields in line 3"),
    "long row": ("a,b\n1,2,3\n", "got 3 fields in line 2"),
    "open quote": ('a,b\n1,"2\n', "cannot be read as CSV"),
    "binary": (b"\x89PNG\xff\xfe\n\x00", "cannot be read as CSV"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(written, text, message):
    with pytest.raises(InputError, match=message):
        read_csv(written(text))
