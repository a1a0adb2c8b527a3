"""Figures that the paper prints and ours are held against: Table 1, its preference datasets.

Source: Dong et al. 2024 (arXiv 2405.07863, version 3), Table 1, "A summarization of open-source
preference datasets". Lengths are means over all pairs in tokens of LLaMA-3-8B's tokenizer, after
the authors' filtering. The paper does not say whether they count the chat template's own tokens.
Not here: our own figures (`sql/reports/preference_statistics.sql`).
"""

import polars as pl

SCHEMA: dict[str, type[pl.DataType]] = {
    "entry": pl.String,  # of the catalogue
    "prompts": pl.Int64,  # distinct
    "prompt_tokens": pl.Float64,  # means a pair
    "chosen_tokens": pl.Float64,  # the paper's "preferred"
    "rejected_tokens": pl.Float64,
    "pairs": pl.Int64,
}

# The paper's Capybara is the set of 14,811 pairs (`capybara`); its footnote names another.
TABLE_1 = [
    ("hh_rlhf", 115_092, 160.4, 82.2, 73.6, 115_396),
    ("shp", 31_003, 186.2, 173.6, 88.8, 93_301),
    ("helpsteer", 8_592, 530.0, 116.4, 89.3, 37_131),
    ("pku_saferlhf_30k", 6_975, 21.5, 70.4, 74.6, 26_874),
    ("ultrafeedback", 63_591, 161.5, 279.5, 211.1, 340_025),
    ("ultrainteract", 76_086, 507.4, 396.6, 416.7, 161_927),
    ("code_ultrafeedback", 9_938, 172.8, 427.6, 400.6, 50_156),
    ("argilla_math", 2_352, 36.5, 276.5, 265.3, 2_418),
    ("orca_pairs", 6_791, 153.3, 165.4, 260.5, 6_926),
    ("capybara", 14_740, 634.5, 348.4, 401.9, 14_811),
]


def published_statistics() -> pl.DataFrame:
    """Give Table 1 of the paper: one row per dataset, named by its catalogue entry."""
    return pl.DataFrame(TABLE_1, schema=SCHEMA, orient="row")
