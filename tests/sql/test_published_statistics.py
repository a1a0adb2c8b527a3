import polars as pl
import pytest

from transforms.views.query import connect_frames, query


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    with connect_frames({}) as connection:
        return query(connection, "from published_statistics")


def test_pairs_sum_to_the_mixture_of_all_datasets(rows):
    # the ten rows of Table 1 add up to 848,965 comparisons
    assert (rows.height, rows["entry"].n_unique(), rows["pairs"].sum()) == (10, 10, 848_965)


def test_no_dataset_has_more_prompts_than_pairs(rows):
    assert rows.filter(pl.col("prompts") > pl.col("pairs")).is_empty()


def test_tokens_are_numbers_with_a_decimal(rows):
    assert rows.filter(entry="hh_rlhf").row(0) == ("hh_rlhf", 115_092, 160.4, 82.2, 73.6, 115_396)
