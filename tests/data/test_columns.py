"""Tables in text files."""

import numpy as np
import pytest

from knetpy.data import DataFileError, read_csv, read_text

HOUSING = " 0.00632  18.00   2.310  0  24.00\n 0.02731   0.00   7.070  1  21.60\n\n"


@pytest.mark.parametrize(
    "text",
    [
        HOUSING,
        "0.00632,18,2.31,0,24\n0.02731,0,7.07,1,21.6",
        "a,b,c,d,e\r\n0.00632,18,2.31,0,24\r\n0.02731,0,7.07,1,21.6\r\n",
        'a;"b";c;d;e\n0.00632;18;2.31;0;24\n0.02731;0;7.07;1;21.6\n',
        "a\tb\tc\td\te\n0.00632\t18\t2.31\t0\t24\n0.02731\t0\t7.07\t1\t21.6\n",
    ],
)
def test_tables(tmp_path, text):
    path = tmp_path / "housing"
    path.write_text(text)
    x, y, names = read_csv(path)
    assert x.dtype == y.dtype == np.float32 and x.shape == (2, 4) and y.tolist() == np.float32([24, 21.6]).tolist()
    assert names == (tuple("abcd") if "e" in text else tuple("0123"))
    third = read_csv(path, names[2])
    assert (third.y == x[:, 2]).all() and third.x.shape == (2, 4) and (read_csv(path, 2).y == x[:, 2]).all()
    everything = read_csv(path, None)
    assert everything.y is None and everything.x.shape == (2, 5) and (everything.x[:, :4] == x).all()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no line of numbers"),
        ("a,b\n", "no line of numbers"),
        ("1,2\n3\n", "line 2: 1 fields, where the first line has 2"),
        ("a,b\n1,2\n\n3,\n", "line 4, column b: '' is no number; pass missing=np.nan, or what"),
        ("a,b\n1,x\n", "line 2, column b: 'x' is no number"),
        ("1,NA\n1,2\n", "line 1, column 1: 'NA' is no number; pass missing=np.nan"),
        ("a,b\n1,2\nNaN,2\n", "line 3, column a: 'NaN' is no number; pass missing=np.nan, or what"),
        ("a,b\n1,-nan\n", "line 2, column b: '-nan' is no number; pass missing=np.nan, or what"),
        ("a,b\n1,2\n1,1e39\n", "line 3, column b: '1e39' is beyond float32, whose largest is 3.4e38"),
        ("a,b\n1,-1e999\n", "line 2, column b: '-1e999' is beyond float32"),
        ("a,b\n1,3.4028235677973366e38\n", "line 2, column b: .* is beyond float32"),
        ("a,b\n1,1_0\n", "line 2, column b: '1_0' has an underscore; write its digits alone"),
        ("1_0,1\n", "line 1, column 0: '1_0' has an underscore"),
        ("a,b\n1,2\n1,x\n", "line 3, column b: 'x' is no number; leave the field empty and pass missing=np.nan"),
        ("a,b\n1,2\0\n", r"'2\\x00' is no number"),
        ("a,b\n1," + "9" * 10**6, "line 2: field larger than"),
    ],
)
def test_wrong_tables(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=message):
        read_csv(path)


def test_mistakes_with_tables_and_texts(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,a\n1,2,3\n")
    for call, error, message in (
        (lambda: read_csv(path, "a"), ValueError, "2 columns are called 'a'; give target by its number"),
        (lambda: read_csv(path, delimiter=",,"), ValueError, "delimiter must be None or one character, got ',,'"),
        (lambda: read_csv(path, 1, missing=-1e39), ValueError, "missing must be a number that float32 can hold.*-1e"),
        (lambda: read_csv(path, limit="x"), TypeError, "limit must be an integer, got str"),
        (lambda: read_text(path, encoding="nope"), ValueError, "encoding must be the name of one, .*'nope'"),
        (lambda: read_text(tmp_path), IsADirectoryError, "read_text: .* is a folder; name a file in it"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_a_column_that_is_not_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3,nan\n")
    assert np.isnan(read_csv(path, missing=np.nan).y[1])
    for target in ("c", 2, -3, 1.0):
        with pytest.raises(ValueError, match="target must be one of a, b, or its number"):
            read_csv(path, target)


def test_numbers_are_rounded_to_float32_and_infinity_is_written_out(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("inf,-Infinity\n16777217,3.4028235677973362e38\n")
    x, y, _ = read_csv(path)
    assert x.ravel().tolist() == [np.inf, 16777216] and y.tolist() == [-np.inf, np.finfo(np.float32).max]


# ------------------------------------------------------------------------------------------- holes and texts

CITIES = """city,rooms,ocean,price
Oslo,3,INLAND,10
"Bergen, old",?,NEAR BAY,20
Moss,5,ISLAND,
"""
OCEAN = {"ocean": ("INLAND", "NEAR BAY", "ISLAND")}


def table(folder, text):
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_missing_fields_become_what_is_asked_for(tmp_path):
    path = table(tmp_path, "a,b,c\n1,,nan\nNA, ? ,-\n4,5,6\n")
    x, y, _ = read_csv(path, missing=np.nan)
    assert np.isnan(x).tolist() == [[False, True], [True, True], [False, False]] and np.isnan(y[:2]).all()
    assert read_csv(path, None, missing=-1).x.tolist() == [[1, -1, -1], [-1, -1, -1], [4, 5, 6]]
    path = table(tmp_path, "1,\n,2\n")
    assert read_csv(path, None, missing=0).x.tolist() == [[1, 0], [0, 2]]  # no header


@pytest.mark.parametrize("city, ocean, price", [("city", "ocean", "price"), (0, 2, -1), (-4, np.int64(2), 3)])
def test_texts_are_left_out_or_numbered(tmp_path, city, ocean, price):
    path = table(tmp_path, CITIES)
    x, y, names = read_csv(path, price, leave=city, classes={ocean: list(OCEAN["ocean"])}, missing=7)
    assert x.tolist() == [[3, 0], [7, 1], [5, 2]] and y.tolist() == [10, 20, 7] and names == ("rooms", "ocean")
    assert x.dtype == y.dtype == np.float32
    x, y, names = read_csv(path, ocean, leave=(city, price), classes={ocean: OCEAN["ocean"]}, missing=0)
    assert x.tolist() == [[3], [0], [5]] and y.tolist() == [0, 1, 2] and y.dtype == np.int64 and names == ("rooms",)
    assert read_csv(path, None, leave=[city, ocean, price], missing=0).names == ("rooms",)


@pytest.mark.parametrize("target", [4, -1, "4"])
def test_texts_without_a_header(tmp_path, target):
    path = table(tmp_path, "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,virginica\n6,3,1,1,setosa\n")
    x, y, names = read_csv(path, target, classes={target: ("setosa", "virginica")})
    assert x.shape == (3, 4) and y.tolist() == [0, 1, 0] and names == tuple("0123")
    assert read_csv(path, 0, leave=target).x.shape == (3, 3)
    with pytest.raises(DataFileError, match=r"line 2, column setosa: 'virginica' is no number"):
        read_csv(path, None)  # it takes the first line for a header


def test_labels_that_are_missing(tmp_path):
    path = table(tmp_path, "x,kind\n1,a\n2,\n3,b\n")
    kinds = {"kind": ("a", "b")}
    assert read_csv(path, classes=kinds, missing=-1).y.tolist() == [0, -1, 1]
    assert read_csv(path, classes={"kind": ("", "a", "b")}, missing=-1).y.tolist() == [1, 0, 2]
    with pytest.raises(DataFileError, match="has no class in 1 lines; pass missing=-1 to read_csv and ignore=-1"):
        read_csv(path, classes=kinds, missing=np.nan)
    with pytest.raises(DataFileError, match="line 3, column kind: '' is none of its classes 'a', 'b'$"):
        read_csv(path, classes=kinds)


def test_columns_that_are_left_out_may_hold_anything(tmp_path):
    path = table(tmp_path, "a,b\n1,x\n2,\n3,4\n")
    assert read_csv(path, None, leave="b").x.tolist() == [[1], [2], [3]]
    with pytest.raises(DataFileError, match="line 4: 3 fields, where the first line has 2"):
        read_csv(table(tmp_path, "a,b\n1,x\n2,\n3,4,5\n"), None, leave="b")


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({}, DataFileError, r"line 2, column city: 'Oslo' is no number; pass leave='city' to leave this column out, or "
                            r"classes=\{'city': \('Bergen, old', 'Moss', 'Oslo'\)\} to number its texts"),
        ({"leave": "city"}, DataFileError, r"classes=\{'ocean': \('INLAND', 'ISLAND', 'NEAR BAY'\)\}"),
        ({"leave": "city", "classes": OCEAN}, DataFileError, r"line 3, column rooms: '\?' is no number; pass missing="),
        ({"leave": "city", "classes": {"ocean": ("INLAND",)}, "missing": 0}, DataFileError,
         "line 3, column ocean: 'NEAR BAY' is none of its classes 'INLAND'$"),
        ({"leave": "town"}, ValueError, "leave must be one of city, rooms, ocean, price, or its number, got 'town'"),
        ({"leave": 4}, ValueError, "leave must be one of"),
        ({"leave": "price"}, ValueError, "target is column -1, which leave leaves out"),
        ({"leave": None}, ValueError, "leave must be one of .*, got None"),
        ({"classes": {"bay": ("a",)}}, ValueError, "classes must be one of city"),
        ({"classes": ("a", "b")}, TypeError, "classes must be a dict from columns to their texts, .* got tuple"),
        ({"classes": {"ocean": "INLAND"}}, TypeError, "classes of column 'ocean' must be a tuple of texts, got 'INL"),
        ({"classes": {"ocean": (1, 2)}}, TypeError, "must be a tuple of texts"),
        ({"classes": {"ocean": ("a", "a")}}, ValueError, "classes of column 'ocean' must be all different"),
        ({"missing": "nan"}, TypeError, "read_csv: missing must be a number, got 'nan'"),
        ({"na_values": 0}, TypeError, "no argument 'na_values'; did you mean missing?"),
    ],
)  # fmt: skip
def test_mistakes_with_holes_and_texts(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        read_csv(table(tmp_path, CITIES), **options)


def test_a_long_list_of_texts_is_cut(tmp_path):
    path = table(tmp_path, "a,b\n" + "".join(f"word{i:03},1\n" for i in range(100)))
    with pytest.raises(DataFileError, match=r"'word000', .*'word011', \.\.\.\)\} to number its texts") as error:
        read_csv(path)
    assert len(str(error.value)) < 400 + len(str(path))
    many = {"a": tuple(f"word{i:03}" for i in range(99))}
    with pytest.raises(DataFileError, match=r"'word099' is none of its classes 'word000', .*'word011', \.\.\.$"):
        read_csv(path, classes=many)
