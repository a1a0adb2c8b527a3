import os
import zipfile
from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.public_sets.mmlu import read_mmlu

REAL = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)
MMLU = REAL / "benchmarks" / "mmlu.zip"

QUESTION = 'Is "x, y" a pair,\nor not?'
ROW = '"Is ""x, y"" a pair,\nor not?",yes,no,"a, b",,A\n'


def archive(path, **members):
    with zipfile.ZipFile(path / "mmlu.zip", "w") as file:
        for name, content in members.items():
            file.writestr(f"data/{name.replace('__', '/')}.csv", content)
    return path / "mmlu.zip"


def test_test_questions_of_all_subjects(tmp_path):
    path = archive(
        tmp_path,
        test__virology_test=ROW + "Second,1,2,3,4,D\n",
        test__algebra_test="Ünicode,1,2,3,4,B\n",
        dev__algebra_dev="never read,1,2,3,4,A\n",
    )
    assert read_mmlu(path).rows() == [
        ("mmlu.zip/algebra:1", "algebra", "Ünicode", "1", "2", "3", "4", "B"),
        ("mmlu.zip/virology:1", "virology", QUESTION, "yes", "no", "a, b", "", "A"),
        ("mmlu.zip/virology:2", "virology", "Second", "1", "2", "3", "4", "D"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ROW + "five,1,2,3,A\n", "row 2 of data/test/algebra_test.csv has 5 columns, not 6"),
        ('"never closed,1,2,3,4,A\n', "data/test/algebra_test.csv: unexpected end of data"),
        (b"\xff,1,2,3,4,A\n", "data/test/algebra_test.csv: 'utf-8' codec"),
    ],
)
def test_a_member_that_is_not_as_published(tmp_path, content, said):
    with pytest.raises(InputError, match=r"mmlu\.zip cannot be read") as error:
        read_mmlu(archive(tmp_path, test__algebra_test=content))
    assert said in str(error.value)


def test_a_file_that_is_no_such_archive(tmp_path):
    with pytest.raises(InputError, match="without files"):
        read_mmlu(archive(tmp_path, val__algebra_val=ROW))
    with pytest.raises(InputError, match="not a complete zip archive"):
        read_mmlu(tmp_path / "missing.zip")
    whole = archive(tmp_path, test__algebra_test=ROW * 100).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a complete zip archive"):
        read_mmlu(tmp_path / "cut.zip")


def test_a_damaged_member(tmp_path):
    path = archive(tmp_path, test__algebra_test=ROW)
    path.write_bytes(path.read_bytes().replace(b"or not", b"or_not", 1))
    with pytest.raises(InputError, match="Bad CRC"):
        read_mmlu(path)


@pytest.mark.skipif(not MMLU.is_file(), reason="PREFLOOP_TEST_DATA has no benchmarks/mmlu.zip")
def test_the_published_archive():
    rows = read_mmlu(MMLU)
    assert rows.height == 14_042
    assert rows["subject"].n_unique() == 57
    assert set(rows["answer"]) == set("ABCD")
    assert rows["row_key"].is_unique().all()
