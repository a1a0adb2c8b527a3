"""Agreement of a quickstart's reward model and preference model with labels and gold rewards.

The pairs are new: they are made as in the recipe but with another seed (1000 + `sample_task.seed`),
without pairs whose prompt is in a training pair. A tie counts one half; standard errors are
clustered by prompt. Agreement with gold is over pairs whose gold rewards differ. `label_utility` is
the utility from which labels are sampled, so it shows what the best model of the labels reaches;
`ceiling` is the expected agreement of the labels.

The last line is JSON.

    prefloop run recipes/quickstart.yaml --home H --until reward_model --until preference_model ...
    python bench/ranker_agreement.py H --seed 0
"""

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from training.ranking import rank_pairs
from training.recipe_file import load_recipe
from training.scoring import score_pairs
from training.settings.scoring import RankingSettings, ScoringSettings
from transforms.identity import identify_messages
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.schemas.table import SHARED
from transforms.measures.reward_accuracy import measure_pair_accuracy
from transforms.settings.sample_task import SampleTaskSettings
from transforms.sources.sample.gold import gold_reward
from transforms.sources.sample.task import label_agreement_ceiling, make_preferences

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "quickstart.yaml"
SIDES = ("chosen", "rejected")


def make_fresh_pairs(lake: Lake, task: SampleTaskSettings) -> pl.DataFrame:
    """Make labelled pairs: pair_id, prompt_id, prompt, chosen, rejected."""
    rows = (
        make_preferences(task)
        .select(prompt=pl.col("chosen").list.head(1), **{s: pl.col(s).list.tail(1) for s in SIDES})
        .with_columns(prompt_id=identify_messages("prompt"))
        .with_row_index("pair_id")
        .with_columns(pl.col("pair_id").cast(pl.String))
    )
    trained = lake.scan("preference_pairs").filter(split="train").select("prompt_id").collect()
    return rows.join(trained, on="prompt_id", how="anti", maintain_order="left")


def compute_known_rewards(pairs: pl.DataFrame, length_bias: float) -> pl.DataFrame:
    """Compute the gold reward of both sides, plus the length bias of the labels per word."""
    sides = {}
    for side in SIDES:
        texts = [turns[-1]["content"] for turns in pairs[side].to_list()]
        questions = [turns[-1]["content"] for turns in pairs["prompt"].to_list()]
        sides[f"{side}_reward"] = [
            round(gold_reward(question, text) + length_bias * len(text.split()), 9)
            for question, text in zip(questions, texts, strict=True)
        ]
    return pairs.select("pair_id").with_columns(**{k: pl.Series(v) for k, v in sides.items()})


def measure_agreement(
    pairs: pl.DataFrame, rewards: pl.DataFrame, gold: pl.DataFrame
) -> dict[str, list]:
    """Compute share, standard error and number of pairs, against the labels and against gold."""
    scored = pairs.select("pair_id", "prompt_id").join(rewards, on="pair_id")
    both = scored.join(gold, on="pair_id", suffix="_gold")
    swapped = pl.col("chosen_reward_gold") < pl.col("rejected_reward_gold")
    by_gold = both.filter(pl.col("chosen_reward_gold") != pl.col("rejected_reward_gold")).select(
        "prompt_id",
        chosen_reward=pl.when(swapped).then("rejected_reward").otherwise("chosen_reward"),
        rejected_reward=pl.when(swapped).then("chosen_reward").otherwise("rejected_reward"),
    )
    return {
        name: [round(figure, 4) for figure in measure_pair_accuracy(rows)]
        for name, rows in (("labels", scored), ("gold", by_gold))
    }


def main(
    home: Annotated[Path, typer.Argument(help="Home of a quickstart that has both models.")],
    seed: Annotated[int, typer.Option(help="sample_task.seed of that run.")] = 0,
    pairs: Annotated[int, typer.Option(help="Number of new pairs.")] = 12_000,
) -> None:
    """Measure both rankers on pairs that no model was trained on."""
    lake = Lake(home / "lake")
    task = load_recipe(RECIPE, []).sample_task.model_copy(
        update={"seed": 1000 + seed, "preference_pairs": pairs}
    )
    fresh = make_fresh_pairs(lake, task)
    models = {
        name: checkpoints.find_latest(lake, name, SHARED).path
        for name in ("reward_model", "preference_model")
    }
    gold = compute_known_rewards(fresh, 0.0)
    rewards = {
        "reward_model": score_pairs(
            fresh, models["reward_model"], ScoringSettings(), dtype="float32"
        ),
        "preference_model": rank_pairs(
            fresh, models["preference_model"], RankingSettings(), dtype="float32"
        ),
        "label_utility": compute_known_rewards(fresh, task.length_bias),
    }
    found = {name: measure_agreement(fresh, rows, gold) for name, rows in rewards.items()}
    ceiling = round(label_agreement_ceiling(task), 4)
    print(json.dumps({"bench": "ranker_agreement", "seed": seed, "ceiling": ceiling, **found}))


if __name__ == "__main__":
    typer.run(main)
