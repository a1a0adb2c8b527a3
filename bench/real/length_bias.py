"""Length bias of a real judge: GPT-4's preference for 11 responses of one model, 400 prompts.

Reads samples of Tulu 2 DPO 13B for AlpacaEval prompts, with GPT-4 turbo's preference between each
of the first 11 samples and a reference response (1: the reference, 2: the sample, or a value
between). The reward is the probability (preference minus 1), or its log-odds, which is the scale of
a Bradley-Terry reward. The file does not name a tokenizer, so tokens are words and punctuation
marks here.

Prints one JSON line per reward, set of responses (all; all except the one of more than 30,000
characters) and unit: the summary, and the mean coefficient and the share of longer winners after
the calibrated penalty is subtracted. Writes the heat map of the probabilities.

    python -m bench.real.length_bias --output docs/measured/length_bias.png
"""

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from bench.inputs import DATA
from transforms.lake.schemas import schema_of
from transforms.measures.length_bias import correlate
from transforms.pairs.length_penalty import UNITS, LengthUnit, calibrate_penalty
from transforms.views.plots.length_bias import render_length_bias
from transforms.views.query import connect_frames, report

SAMPLES = "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"
TOKEN = r"\w+|[^\w\s]"
RUNAWAY_CHARS = 30_000
KEYS = {
    "experiment": "tulu_2_dpo_13b",
    "iteration": 0,
    "ranker": "judge",
    "ranker_id": "gpt_4_turbo",
    "ranking_id": "preference_vs_reference",
    "policy_id": "tulu_2_dpo_13b",
    "sampling_id": "n_16",
}
TITLE = "GPT-4 turbo's preference and length, 11 responses of Tulu 2 DPO 13B per prompt"


def read_samples(path: Path) -> pl.DataFrame:
    """Read the samples with a preference of GPT-4, as joined rows of `generations` and `scores`."""
    keys = [
        pl.lit(value, dtype=schema_of("scores")[name]).alias(name) for name, value in KEYS.items()
    ]
    return (
        pl.read_ndjson(path)
        .select(
            prompt_id=pl.col("id"),
            response="responses",
            reward=pl.col("gpt4turbo_preference_vs_reference").list.eval(pl.element() - 1),
            response_index=pl.int_ranges(pl.col("responses").list.len(), dtype=pl.Int32),
        )
        .explode("response", "reward", "response_index")
        .filter(pl.col("reward").is_not_null())
        .with_columns(
            *keys,
            response_chars=pl.col("response").str.len_chars().cast(pl.Int32),
            response_tokens=pl.col("response").str.count_matches(TOKEN).cast(pl.Int32),
        )
        .sort("prompt_id", "response_index")
    )


def convert_to_log_odds(samples: pl.DataFrame) -> pl.DataFrame:
    """Convert probabilities to log-odds; one that is exactly 0 is treated as 1e-6."""
    p = pl.col("reward").clip(1e-6, 1 - 1e-6)
    return samples.with_columns(reward=(p / (1 - p)).log())


def make_tables(samples: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Make the tables of a lake from the samples; their prompts are in no split."""
    generations = pl.DataFrame(schema=schema_of("generations"))
    rows = samples.drop("reward", "ranker", "ranker_id", "ranking_id")
    return {
        "generations": pl.concat([generations, rows], how="diagonal_relaxed"),
        "scores": samples.select(list(schema_of("scores"))),
        "prompt_splits": pl.DataFrame(schema=schema_of("prompt_splits")),
    }


def summarise_bias(samples: pl.DataFrame, unit: LengthUnit) -> dict[str, float]:
    """Summarise the length bias in one unit."""
    with connect_frames(make_tables(samples)) as connection:
        rows = report(connection, "length_bias").drop(*KEYS, "split", strict=False)
    return rows.row(by_predicate=pl.col("unit") == unit, named=True)


def penalise(samples: pl.DataFrame, unit: LengthUnit) -> pl.DataFrame:
    """Subtract the calibrated penalty from the rewards."""
    penalty = calibrate_penalty(samples, unit)
    return samples.with_columns(reward=pl.col("reward") - penalty * pl.col(f"response_{unit}"))


def measure(samples: pl.DataFrame, unit: LengthUnit) -> dict[str, float]:
    """Summarise one unit before and after the penalty."""
    after = summarise_bias(penalise(samples, unit), unit)
    return summarise_bias(samples, unit) | {
        "pearson_penalised": after["pearson"],
        "longer_wins_penalised": after["longer_wins"],
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder of real data.")] = DATA,
    output: Annotated[Path | None, typer.Option(help="PNG file for the heat map.")] = None,
) -> None:
    """Measure the length bias of GPT-4's preferences."""
    samples = read_samples(data / SAMPLES)
    if output:
        output.write_bytes(render_length_bias(correlate(**make_tables(samples)), TITLE))
    usual = samples.filter(pl.col("response_chars") <= RUNAWAY_CHARS)
    for responses, rows in {"all": samples, "all but the longest": usual}.items():
        for reward, scored in {"probability": rows, "log-odds": convert_to_log_odds(rows)}.items():
            for unit in UNITS:
                print(
                    json.dumps({"reward": reward, "responses": responses, **measure(scored, unit)})
                )


if __name__ == "__main__":
    typer.run(main)
