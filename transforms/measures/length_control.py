"""Length-controlled win rates: what a model's win rate would be at the baseline's length.

Lives here: the regression, what it predicts, how well that is known. Not here: who judged
(`transforms.benchmarks.judged`), how prompts are drawn (`transforms.measures.bootstrap`).

Source: Dubois et al. 2024 (arXiv 2404.04475), section 3, as in alpaca_eval 0.6
(`length_controlled_v1`, without its two gamed baselines): preference ~ sigmoid(a tanh d + b g + c),
where d is the baseline's length minus the model's, in standard deviations, g the difficulty of the
prompt, c the model's quality. At d = 0 the mean of sigmoid(b g + c) is the length-controlled win
rate. A preference is a share of a win; the penalty is L1, its strength by cross-validation.

What it can say: how preference goes with length among these pairs, and what is left of it at equal
length. What it cannot: that shorter responses of this model would be judged so; nor anything where
length hardly varies, or where the model is always the longer one (c is then what the curve says
beyond the data; `longer_share` tells). Difficulties come from many models on the same prompts: with
one model there is one preference a prompt, g cannot be told from noise, and without a column
`difficulty` the regression goes without it. The penalty draws c to 0, a win rate of one half, the
more the fewer prompts there are.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupKFold

from transforms.errors import InputError
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling

FOLDS = 5
"""Parts of the cross-validation, by prompt; fewer where there are fewer prompts."""

PENALTIES = 10
"""Inverse strengths of the L1 penalty that are tried, 1e-4 to 1e4."""

LEAST_WEIGHT = 1e-9
"""A preference is at least this far from 0 and 1: liblinear turns the sign round where one of the
two outcomes has no weight at all."""


@dataclass(frozen=True)
class LengthControl:
    """Coefficients of the regression, log-odds of the model's win."""

    length: float
    """Of tanh((baseline's length - model's length) / standard deviation): negative where the judge
    likes length."""
    difficulty: float
    """Of the prompt's difficulty; 0 where none is given."""
    quality: float
    """The constant: what is left at equal length on a prompt of difficulty 0."""

    def at_equal_length(self, difficulty: np.ndarray) -> np.ndarray:
        """Predict preferences at equal length, [0, 1], one a difficulty."""
        return _sigmoid(self.quality + self.difficulty * difficulty)


class WinRates(NamedTuple):
    """A model's win rate against its baseline, shares: as judged, and at equal length."""

    raw: Estimate
    controlled: Estimate | None
    """None where length cannot be told from quality: one prompt, or the same difference of length
    in every pair."""
    control: LengthControl | None
    longer_share: float
    """Of the judged pairs, those whose longer side is the model's; equal lengths one half."""


def win_rates(judged: pl.DataFrame, how: Resampling | None = None) -> WinRates:
    """Estimate a model's win rate against its baseline, raw and length-controlled.

    The standard error of the second is that of the regression made linear at its coefficients
    (their influence functions), with the penalty as it was chosen; prompts are drawn as for the
    first.

    Args:
        judged: prompt_id, preference (share of a win of the model, [0, 1]), response_chars,
            baseline_chars, and difficulty where the prompts have one; one row per judged pair,
            several of a prompt where it has several. The order decides the folds.
        how: draws, level, seed.

    Raises:
        InputError: no rows, a null, or a preference outside [0, 1].
    """
    _require_sound(judged)
    raw = bootstrap.mean(judged, "preference", how)
    longer = judged["response_chars"] - judged["baseline_chars"]
    share = float(((longer > 0).cast(pl.Float64) + (longer == 0).cast(pl.Float64) / 2).mean())
    if raw.prompts < 2 or (longer.n_unique() == 1 and longer[0] != 0):
        return WinRates(raw, None, None, share)
    control = fit(judged)
    return WinRates(raw, bootstrap.mean(_pseudo_values(judged, control), how=how), control, share)


def fit(judged: pl.DataFrame) -> LengthControl:
    """Fit the coefficients; arguments as in `win_rates`, at least two prompts."""
    preference = _preference(judged)
    prompts = _numbered(judged["prompt_id"])
    # each pair is a win with the weight of its preference, and a loss with the rest
    design, groups = np.tile(_design(judged), (2, 1)), np.tile(prompts, 2)
    folds = GroupKFold(min(FOLDS, prompts.max() + 1)).split(design, groups=groups)
    model = LogisticRegressionCV(
        Cs=PENALTIES,
        l1_ratios=[1.0],
        solver="liblinear",
        fit_intercept=False,
        cv=list(folds),
        scoring="neg_log_loss",
        random_state=123,  # as published: liblinear's order of coordinates
        max_iter=1_000,  # published: 100, too few where wins follow length without exception
        use_legacy_attributes=False,
    )
    won = np.repeat([1, 0], judged.height)
    model.fit(design, won, sample_weight=np.concatenate([preference, 1 - preference]))
    return LengthControl(*map(float, model.coef_[0]))


def _pseudo_values(judged: pl.DataFrame, control: LengthControl) -> pl.DataFrame:
    """Give each prompt a value so that their mean is the length-controlled win rate.

    A row's influence on that mean is (p - mean p) / n + D H^-1 (s - mean s): p its prediction at
    equal length, s its score, H the sum of the information, D the gradient of the mean. A prompt's
    value is the mean plus its rows' influence, times the number of prompts.
    """
    design = _design(judged)
    at_equal = design * [0, 1, 1]
    coefficients = np.array([control.length, control.difficulty, control.quality])
    fitted, predicted = _sigmoid(design @ coefficients), _sigmoid(at_equal @ coefficients)
    scores = design * (_preference(judged) - fitted)[:, None]
    information = design.T @ (design * (fitted * (1 - fitted))[:, None])
    gradient = (predicted * (1 - predicted)) @ at_equal / len(design)
    through_fit = (scores - scores.mean(axis=0)) @ np.linalg.pinv(information) @ gradient
    influence = (predicted - predicted.mean()) / len(design) + through_fit
    return (
        judged.select("prompt_id", influence=pl.Series(influence))
        .group_by("prompt_id", maintain_order=True)
        .agg(pl.col("influence").sum())
        .select("prompt_id", value=predicted.mean() + pl.col("influence") * pl.len())
    )


def _design(judged: pl.DataFrame) -> np.ndarray:
    """Lay out tanh of the standardised difference of length, difficulty, 1; shape (rows, 3)."""
    difference = (judged["baseline_chars"] - judged["response_chars"]).cast(pl.Float64)
    spread = difference.std() or 1.0  # none: no pair differs, and the column is 0
    difficulty = (
        judged["difficulty"].to_numpy()
        if "difficulty" in judged.columns
        else np.zeros(judged.height)
    )
    columns = [(difference / spread).tanh().to_numpy(), difficulty, np.ones(judged.height)]
    return np.column_stack(columns)


def _preference(judged: pl.DataFrame) -> np.ndarray:
    return judged["preference"].to_numpy().clip(LEAST_WEIGHT, 1 - LEAST_WEIGHT)


def _numbered(ids: pl.Series) -> np.ndarray:
    """Number prompts from 0 in the order of their first rows, as the published folds do."""
    _, first, inverse = np.unique(ids.to_numpy(), return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse]


def _sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def _require_sound(judged: pl.DataFrame) -> None:
    columns = ["prompt_id", "preference", "response_chars", "baseline_chars"]
    columns += ["difficulty"] if "difficulty" in judged.columns else []
    nulls = {name: count for name in columns if (count := judged[name].null_count())}
    outside = judged.filter(~pl.col("preference").is_between(0, 1)).height
    if judged.is_empty() or nulls or outside:
        raise InputError(
            "length cannot be controlled in these judged pairs",
            expected="pairs with a preference in [0, 1], both lengths, and a difficulty for all or"
            " for none",
            found=f"{judged.height} pairs; nulls: {nulls or 'none'}; {outside} preferences outside",
            remedy="leave out the pairs without a verdict, and say how many",
        )
