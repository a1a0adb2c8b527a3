"""Prompt sources of the paper that are not preference sets: OpenOrca and DIBT-10K.

UltraFeedback, HelpSteer, UltraInteract and Capybara are preference sets whose entries also have the
role prompts. The collection itself, RLHFlow/prompt-collection-v0.1, has the layout
`context_messages`. Its card states that it consists of "subsets of" these sets; the
card names no filter.
"""

import polars as pl

from transforms.sources.catalog.generic import to_demonstrations, to_prompts
from transforms.sources.layouts.conversations import append_response, make_turn, prepend_system
from transforms.sources.layouts.entry import Entry

ORCA_PROMPT = prepend_system(pl.col("system_prompt"), make_turn("user", pl.col("question")))

ENTRIES = {
    "open_orca": Entry(
        facts="The paper cites Open-Orca/OpenOrca; the card of the prompt collection links "
        "argilla/distilabel-intel-orca-dpo-pairs instead (orca_pairs). Columns from cards of "
        "copies. The system prompt becomes a system turn, which a prompt may have; an empty one is "
        "left out.",
        native={"system_prompt": pl.String, "question": pl.String, "response": pl.String},
        layouts={
            "prompts": to_prompts(ORCA_PROMPT),
            "demonstrations": to_demonstrations(append_response(ORCA_PROMPT, pl.col("response"))),
        },
        hub_id="Open-Orca/OpenOrca",
    ),
    "dibt_10k": Entry(
        facts="Id in footnote 6 of the paper and in the card of the prompt collection, columns "
        "from the set's card (10,331 rows). Its ratings of prompts (avg_rating and others) are not "
        "read: nothing is published about a filter by them.",
        native={"prompt": pl.String},
        layouts={"prompts": to_prompts(make_turn("user", pl.col("prompt")))},
        hub_id="DIBT/10k_prompts_ranked",
    ),
}
