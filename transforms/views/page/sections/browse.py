"""Sections of texts to read: answers to evaluation prompts, and preference pairs of the loop.

Not here: figures of many responses (`transforms.views.page.sections.responses`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from transforms.formats import cut
from transforms.lake.asset_names import BASELINES, INITIAL_POLICIES, OFFLINE, reported_name
from transforms.lake.schemas.table import SHARED
from transforms.views.compared_answers import BEST, GAMED, WORST, pair_answers, select_case
from transforms.views.headline import find_metric
from transforms.views.page.blocks import Block, Example, Group, Section, Text
from transforms.views.page.cells import format_cell
from transforms.views.page.opened_lake import Source

EXAMPLES = 4
"""Maximum number of prompts or pairs of a group."""
EXAMPLE_MODELS = 6
"""Maximum number of models whose answers are shown side by side."""
EXAMPLE_CHARS = 600
"""Maximum number of characters of a text."""

CAPTIONS = {
    BEST: "Best: {judged} rises ({found} of {all} prompts)",
    WORST: "Worst: {judged} falls ({found} of {all} prompts)",
    GAMED: "Gamed: reward rises, {judged} falls ({found} of {all} prompts)",
}

PAIR_KEY = [
    "experiment",
    "iteration",
    "prompt_id",
    "chosen_response_index",
    "rejected_response_index",
]
PAIR_GROUPS: Mapping[str, tuple[str, bool]] = {
    "Largest margins": ("margin", True),
    "Smallest margins": ("margin", False),
    "Chosen longer than rejected by most": ("longer_chars", True),
}
"""Groups of pairs: by which column, and whether the largest value comes first."""


def show_answers(source: Source) -> Section:
    """Show answers of the selected policies beside those of π₀, then of several models."""
    judged, responses = _read_answers(source)
    texts = _read_prompts(source, responses["prompt_id"])
    responses = responses.filter(pl.col("prompt_id").is_in(list(texts)))
    models = _select_models(source, responses)
    blocks: list[Block] = []
    initial = models.filter(pl.col("model").is_in(INITIAL_POLICIES)).head(1)
    trained = models.filter(~pl.col("model").is_in(BASELINES))
    for model in trained.iter_rows(named=True) if initial.height else ():
        answers = pair_answers(
            _select_answers(responses, model),
            _select_answers(responses, initial.row(0, named=True)),
            judged,
        )
        cases = list(_group_answers(answers, judged, texts, initial["label"][0], model["label"]))
        blocks.append(Group(f"{model['label']}, beside {initial['label'][0]}", cases, bool(blocks)))
    if blocks and judged == "reward":
        blocks.insert(
            0,
            Text(
                "Without a gold reward or a further reward (recipe key evaluation.rewards), "
                "answers that only please the ranker cannot be told from better ones."
            ),
        )
    side_by_side = models.head(EXAMPLE_MODELS)
    shown = (
        responses.join(side_by_side, on=["experiment", "model"])
        .filter(pl.len().over("prompt_id") == side_by_side.height)
        .sort("prompt_id", "order")
    )
    examples = [
        _show_example(
            texts[str(prompt_id)],
            [(str(row["label"]), row, judged) for row in rows.iter_rows(named=True)],
        )
        for (prompt_id,), rows in shown.partition_by(
            "prompt_id", maintain_order=True, as_dict=True
        ).items()
    ]
    if examples:
        blocks.append(Group("The first prompts by id, models side by side", examples[:EXAMPLES]))
    return Section(
        "answers",
        "Responses to browse",
        "Greedy answers to evaluation prompts. A gamed answer gets a higher reward than π₀'s, and "
        f"is worse by the {_name(judged)}: the policy has learned to please its ranker.",
        blocks,
        absent="No model has answered evaluation prompts.",
    )


def show_pairs_to_read(source: Source) -> Section:
    """Show the pairs of each experiment and iteration with extreme margins and lengths."""
    pairs = _select_pairs(source.scan("dpo_pairs"))
    counts = _count_pairs(source)
    groups: list[Block] = []
    for (experiment, iteration), rows in pairs.partition_by(
        "experiment", "iteration", maintain_order=True, as_dict=True
    ).items():
        parts = [
            Group(name, [_show_pair(row) for row in rows.filter(group=name).iter_rows(named=True)])
            for name in PAIR_GROUPS
        ]
        number = counts[experiment, iteration]
        groups.append(Group(f"{experiment}, iteration {iteration} ({number:,} pairs)", parts))
    return Section(
        "pairs_to_read",
        "Preference pairs to browse",
        "What the policy was trained to prefer, in each iteration. Pairs of small margins are "
        "nearly ties; where the chosen response is much longer, the ranker may like length.",
        groups,
        absent="The loop has made no pairs.",
    )


def _count_pairs(source: Source) -> dict[tuple[Any, ...], int]:
    rows = source.scan("dpo_pairs").group_by("experiment", "iteration").len().collect()
    return {(experiment, iteration): number for experiment, iteration, number in rows.iter_rows()}


def _read_answers(source: Source) -> tuple[str, pl.DataFrame]:
    """Return the reward that judges answers, and the greedy evaluation responses with it."""
    responses = source.table("evaluation_responses", split="evaluation", decoding="greedy")
    judged = find_metric(source.table("evaluation_results")["metric"])
    if judged not in responses.columns:
        key = ["experiment", "model", "prompt_id", "response_index"]
        scores = source.table("evaluation_scores", split="evaluation", decoding="greedy")
        further = scores.filter(ranker=judged).select(*key, pl.col("reward").alias(judged))
        responses = responses.join(further, on=key, how="left", maintain_order="left")
    return judged, responses


def _read_prompts(source: Source, ids: pl.Series) -> dict[str, str]:
    rows = source.scan("prompts").filter(pl.col("prompt_id").is_in(ids.unique().implode()))
    found = rows.select("prompt_id", "prompt").unique("prompt_id").collect()
    return {prompt_id: _join_turns(turns) for prompt_id, turns in found.iter_rows()}


def _select_models(source: Source, responses: pl.DataFrame) -> pl.DataFrame:
    """Select the models whose answers are shown: experiment, model, label, order."""
    answered = set(responses.select("experiment", "model").unique().rows())
    selected = source.table("selected_policies").sort("experiment")
    models = [(SHARED, name, reported_name(name)) for name in (*INITIAL_POLICIES, OFFLINE)]
    models += [
        (row["experiment"], row["model"], f"{row['experiment']}/{row['iteration']}")
        for row in selected.iter_rows(named=True)
    ]
    models = [one for one in models if one[:2] in answered]
    schema = {"experiment": pl.String, "model": pl.String, "label": pl.String}
    return pl.DataFrame(models, schema=schema, orient="row").with_row_index("order")


def _select_answers(responses: pl.DataFrame, model: Mapping[str, Any]) -> pl.DataFrame:
    own = responses.filter(experiment=model["experiment"], model=model["model"])
    return own.unique("prompt_id", keep="first", maintain_order=True)


def _group_answers(
    answers: pl.DataFrame, judged: str, texts: Mapping[str, str], initial: str, label: str
) -> Iterator[Group]:
    """Yield the groups best, worst, gamed; gamed needs a second reward."""
    for case, caption in CAPTIONS.items():
        if case == GAMED and judged == "reward":
            continue
        found = select_case(answers, case)
        examples = [
            _show_example(
                texts[row["prompt_id"]],
                [(initial, _select_initial(row), judged), (label, row, judged)],
            )
            for row in found.head(EXAMPLES).iter_rows(named=True)
        ]
        counted = caption.format(judged=_name(judged), found=found.height, all=answers.height)
        yield Group(counted, examples or [Text("None.")])


def _select_initial(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of π₀'s answer under their own names."""
    end = "_initial"
    return {name.removesuffix(end): value for name, value in row.items() if name.endswith(end)}


def _show_example(prompt: str, answers: Sequence[tuple[str, Mapping[str, Any], str]]) -> Example:
    return Example(
        cut(prompt, EXAMPLE_CHARS),
        [
            (label, cut(row["response"], EXAMPLE_CHARS), _describe(row, judged))
            for label, row, judged in answers
        ],
    )


def _describe(row: Mapping[str, Any], judged: str) -> str:
    facts = {"reward": row["reward"], _name(judged): row[judged]}
    parts = [f"{name} {format_cell(value)}" for name, value in facts.items() if value is not None]
    parts.append(f"{row['response_tokens']} tokens")
    return ", ".join(parts + (["cut at the limit"] if row["finish_reason"] == "length" else []))


def _select_pairs(pairs: pl.LazyFrame) -> pl.DataFrame:
    """Select the pairs of `PAIR_GROUPS` of each slice; the texts of other pairs are not kept."""
    chars = [pl.col(side).list.last().struct.field("content").str.len_chars().cast(pl.Int64)
             for side in ("chosen", "rejected")]  # fmt: skip
    measured = pairs.select(*PAIR_KEY, "margin", longer_chars=chars[0] - chars[1]).collect()
    groups = [
        measured.sort(by, *PAIR_KEY, descending=[descending, *[False] * len(PAIR_KEY)])
        .group_by("experiment", "iteration", maintain_order=True)
        .head(EXAMPLES)
        .with_columns(group=pl.lit(name))
        for name, (by, descending) in PAIR_GROUPS.items()
    ]
    found = pl.concat(groups).with_row_index("order")
    texts = pairs.join(found.lazy(), on=PAIR_KEY, how="semi", nulls_equal=True).collect()
    return found.select("order", "group", *PAIR_KEY).join(
        texts, on=PAIR_KEY, nulls_equal=True
    ).sort("experiment", "iteration", "order")  # fmt: skip


def _show_pair(row: Mapping[str, Any]) -> Example:
    sides = []
    for side in ("chosen", "rejected"):
        text = _join_turns(row[side]).removeprefix("assistant: ")
        reward = format_cell(row[f"{side}_reward"])
        facts = ([f"reward {reward}"] if reward else []) + [f"{len(text)} characters"]
        sides.append((side, cut(text, EXAMPLE_CHARS), ", ".join(facts)))
    return Example(cut(_join_turns(row["prompt"] or []), EXAMPLE_CHARS), sides)


def _join_turns(turns: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def _name(judged: str) -> str:
    return judged.replace("_", " ")
