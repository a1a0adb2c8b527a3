"""Published judgments of AlpacaEval 2 and MT-Bench: native columns, and the leaderboards' formulas.

Not here: results of our own models (`transforms.benchmarks.judged`).
"""

import numpy as np
import polars as pl

from transforms.errors import InputError
from transforms.identity import identify_messages
from transforms.measures.length_control import LengthControl
from transforms.sources.layouts.conversations import make_turn

ANNOTATIONS = {
    **dict.fromkeys(("instruction", "output_1", "output_2"), pl.String),
    "preference": pl.Float64,
}
"""Native columns of annotations.json: preference 1 where output_1 wins, 2 where output_2 does."""

COEFFICIENTS = {
    "": pl.String,
    "np.tanh(std_delta_len)": pl.Float64,
    "instruction_difficulty": pl.Float64,
    "not_gamed_baseline.astype(float)": pl.Float64,
}
"""Native columns of the published coefficients, one row per model."""

SIMULATED_BASELINES = {
    "gpt4_1106_preview_verbose": (-1.5835274219761557, 0.8334888457867451, -0.78),
    "gpt4_1106_preview_concise": (-1.6424856171097677, 0.6835779026468267, 1.58),
}
"""Published coefficients of the gamed baselines, of length and of difficulty, and the mean
difference of length that gives their published win rates, 64.3 and 22.9 per cent."""

PUBLISHED_RATINGS = {
    "question_id": pl.Int64,
    "turn": pl.Int64,
    "judgment": pl.String,
    "score": pl.Float64,
}
"""Native columns of model_judgment/*_single.jsonl."""

PUBLISHED_MATCHES = {
    "question_id": pl.Int64,
    **dict.fromkeys(("model_1", "model_2", "g1_winner", "g2_winner"), pl.String),
    **dict.fromkeys(("g1_judgment", "g2_judgment"), pl.String),
}
"""Native columns of model_judgment/*_pair.jsonl."""


def convert_annotations(raw: pl.DataFrame) -> pl.DataFrame:
    """Convert native annotations to judged pairs of output_2, the model's, against output_1.

    Returns:
        prompt_id, instruction, preference ([0, 1]; the published 1 to 2, and 0 for a draw),
        response_chars, baseline_chars; in order, rows without a preference left out.
    """
    preference = pl.col("preference")
    identified = raw.drop_nulls("preference").with_columns(
        prompt=make_turn("user", pl.col("instruction"))
    )
    return identified.select(
        "instruction",
        prompt_id=identify_messages("prompt"),
        preference=pl.when(preference == 0).then(0.5).otherwise(preference - 1),
        response_chars=pl.col("output_2").str.len_chars().cast(pl.Int64),
        baseline_chars=pl.col("output_1").str.len_chars().cast(pl.Int64),
    )


def read_length_control(raw: pl.DataFrame, model: str) -> LengthControl:
    """Read a model's published coefficients; their length is the baseline's minus the model's."""
    row = raw.row(by_predicate=pl.col("") == model, named=True)
    return LengthControl(*(row[name] for name in list(COEFFICIENTS)[1:]))


def simulate_gamed_baselines(difficulties: pl.Series) -> pl.DataFrame:
    """Simulate rows of `df_gamed.csv`, whose annotations are on the hub only.

    Preferences are those that the published coefficients predict; lengths differ by 0.6 standard
    deviations around the means of `SIMULATED_BASELINES`.

    Args:
        difficulties: of all instructions, in order.

    Returns:
        model, preference, length_difference, difficulty
        (`transforms.measures.length_control.fit`).
    """
    rng = np.random.default_rng(0)
    frames = []
    for model, (length, difficulty, mean) in SIMULATED_BASELINES.items():
        difference = mean + 0.6 * rng.standard_normal(len(difficulties))
        log_odds = length * np.tanh(difference) + difficulty * difficulties.to_numpy()
        columns = {
            "preference": 1 / (1 + np.exp(-log_odds)),
            "length_difference": difference,
            "difficulty": difficulties,
        }
        frames.append(pl.DataFrame(columns).select(pl.lit(model).alias("model"), pl.all()))
    return pl.concat(frames)


def count_wins(preferences: pl.Series) -> dict[str, float]:
    """Count the wins of a model over its baseline.

    Args:
        preferences: share of a win of the model, [0, 1]; one per instruction.

    Returns:
        win_rate (mean share), standard_error (of that mean, over instructions), discrete_win_rate
        (a share above one half is a win, one half a draw), all in per cent; n_wins, n_wins_base,
        n_draws, n_total.

    Raises:
        InputError: no preference, a null, or one outside [0, 1].
    """
    if preferences.is_empty() or not preferences.is_between(0, 1).fill_null(False).all():
        raise InputError(
            "wins cannot be counted",
            expected="preferences in [0, 1], at least one",
            found=f"{preferences.len()}, of which null {preferences.null_count()}, from"
            f" {preferences.min()} to {preferences.max()}",
            remedy="exclude the pairs without a verdict, and report their number",
        )
    wins, draws = int((preferences > 0.5).sum()), int((preferences == 0.5).sum())
    total = preferences.len()
    return {
        "win_rate": 100 * preferences.mean(),
        "standard_error": 100 * preferences.std() / total**0.5 if total > 1 else None,
        "discrete_win_rate": 100 * (wins + draws / 2) / total,
        "n_wins": wins,
        "n_wins_base": total - wins - draws,
        "n_draws": draws,
        "n_total": total,
    }


def decide_matches(games: pl.DataFrame) -> pl.DataFrame:
    """Decide matches of two games with FastChat's rule.

    Args:
        games: g1_winner, g2_winner: model_1 | model_2 | tie | error, one row per match.

    Returns:
        The rows with `outcome`: the winner if both games have the same one, else `tie`; null if a
        game has no verdict (FastChat excludes such matches).
    """
    first, second = pl.col("g1_winner"), pl.col("g2_winner")
    return games.with_columns(
        outcome=pl.when((first != "error") & (second != "error")).then(
            pl.when(first == second).then(first).otherwise(pl.lit("tie"))
        )
    )
