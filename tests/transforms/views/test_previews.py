import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.previews import add_texts, arrange

SLICE = {"experiment": "e", "iteration": 1, "prompt_id": "p"}
ASKED = [{"role": "system", "content": "be short"}, {"role": "user", "content": "a | b\nor c?"}]
RED = [{"role": "assistant", "content": "red"}]


def test_a_preview_begins_with_the_texts_and_keeps_all_columns() -> None:
    pair = {**SLICE, "prompt": ASKED, "chosen": RED, "rejected": RED, "margin": 0.5}
    rows = pl.DataFrame([pair], schema_of("dpo_pairs"))
    shown = arrange(rows)
    assert shown.columns[:4] == ["prompt", "chosen", "rejected", "margin"]
    assert set(shown.columns) == set(rows.columns)
    assert shown["prompt"].item() == r"system: be short user: a \| b or c?"
    assert shown["chosen"].item() == "red"


def test_rows_without_texts_keep_the_order_of_their_columns() -> None:
    statistics = pl.DataFrame({"source": ["shp"], "pairs": [3], "margin": [0.5]})
    assert arrange(statistics).columns == statistics.columns


def test_scores_get_their_prompt_and_response(tmp_path) -> None:
    lake = Lake(tmp_path)
    key = {**SLICE, "response_index": 0}
    others = [{**key, "iteration": 2}, {**key, "experiment": "f"}]
    for table, rows in (
        ("prompts", [{"prompt_id": "p", "prompt": ASKED}]),
        ("generations", [{**key, "response": "red"}, *({**o, "response": "no"} for o in others)]),
    ):
        lake.append(table, pl.DataFrame(rows, schema_of(table)))
    scores = pl.DataFrame([{**key, "reward": 1.5}], schema_of("scores"))
    shown = arrange(add_texts(lake, scores))
    assert shown.columns[:3] == ["prompt", "response", "reward"]
    assert shown.select("response", "reward").rows() == [("red", 1.5)]
