import polars as pl

from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.prompts.prompt_rules import prompt_text, split_prompt_rows


def rows(*prompts):
    frame = {"row_key": [str(n) for n in range(len(prompts))], "prompt": prompts}
    return pl.DataFrame(frame, schema_overrides={"prompt": MESSAGES}).with_columns(
        verdict=pl.lit(None, dtype=pl.String)
    )


def turns(*contents):
    roles = ("user", "assistant") * len(contents)
    return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]


def test_prompts_end_with_the_user():
    frame = rows(turns("q"), turns("q", "a"), turns("q", "a", "é!"), turns("q", "", "r"), [], None)
    kept, dropped = split_prompt_rows("s", frame)
    assert kept.columns == ["row_key", *schema_of("prompts")]
    assert kept.select("row_key", "prompt_chars").rows() == [("0", 1), ("2", 4)]
    assert dropped.select("row_key", "reason").rows() == [
        ("1", "role_order"),
        ("3", "empty_turn"),
        ("4", "role_order"),
        ("5", "missing_value"),
    ]


def test_the_text_of_a_prompt_has_a_line_a_turn():
    assert rows(turns("q", "a", "r")).select(prompt_text()).item() == "q\na\nr"
