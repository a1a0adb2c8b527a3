import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.query import connect, connect_frames, query
from transforms.lake.records.published import published_statistics


def test_pairs_sum_to_the_mixture_of_all_datasets():
    # the ten rows of Table 1 add up to 848,965 comparisons
    rows = published_statistics()
    assert (rows.height, rows["entry"].n_unique(), rows["pairs"].sum()) == (10, 10, 848_965)


def test_no_dataset_has_more_prompts_than_pairs():
    assert published_statistics().filter(pl.col("prompts") > pl.col("pairs")).is_empty()


def test_every_connection_has_the_table(tmp_path):
    for connection in (connect(Lake(tmp_path)), connect_frames({})):
        with connection:
            assert query(connection, "from published_statistics").equals(published_statistics())
