"""Length-controlled win rates: a model's win rate, predicted for responses of equal length.

Lives here: the regression, its prediction and the standard error. Not here: the judges
(`transforms.benchmarks.judged`), the draws of prompts (`transforms.measures.bootstrap`).

Source: Dubois et al. 2024 (arXiv 2404.04475), section 3, as in alpaca_eval 0.6
(`length_controlled_v1`): preference ~ sigmoid(a tanh d + b g + c), where d is the baseline's length
minus the model's, in standard deviations, g the difficulty of the prompt, c the model's quality. At
d = 0 the mean of sigmoid(b g + c) is the length-controlled win rate. A preference is a share of a
win. The penalty is L1; cross-validation chooses its strength. The published fit also has the rows
of two gamed baselines: the baseline itself, asked to answer at length, and briefly. Their quality
is the baseline's, so their rows have no c, and hold a and b near values that length alone explains.

What it shows: how preference depends on length among these pairs, and the preference that remains
at equal length. What it cannot show: that a judge would prefer shorter responses of this model at
this rate. It is unreliable where length hardly varies, and where one side is nearly always the
longer one: c is then an extrapolation, and `WinRates.note` says so. Difficulties need many models
on the same prompts. With one model there is one preference per prompt, and g cannot be separated
from noise; without a column `difficulty` the regression omits the term. The penalty shrinks c
towards 0, a win rate of one half, and more so with fewer prompts.
"""

from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import polars as pl

from transforms.errors import InputError
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling

FOLDS = 5
"""Parts of the cross-validation, by prompt; fewer if there are fewer prompts."""

PENALTIES = 10
"""Inverse strengths of the L1 penalty that are tried, 1e-4 to 1e4."""

GAMED_WEIGHT = 0.2
"""Weight of the gamed baselines, all together, where a row of the model has weight 1."""

LEAST_SHARE = 0.1
"""Smallest share of pairs that must be longer, and that must be shorter, than the baseline's side;
otherwise the rate is an extrapolation. The refit without difficulties is 14 to 18 points off for
models with 2 and 3 % of longer answers, 2.6 with 12 % (`bench.real.judged_benchmarks`)."""

LEAST_WEIGHT = 1e-9
"""A preference is at least this far from 0 and 1: liblinear returns coefficients of the opposite
sign when one of the two outcomes has no weight at all."""


@dataclass(frozen=True)
class LengthControl:
    """Coefficients of the regression, log-odds of the model's win."""

    length: float
    """Coefficient of tanh((baseline's length - model's length) / standard deviation): negative if
    the judge prefers longer responses."""
    difficulty: float
    """Coefficient of the prompt's difficulty; 0 without a column `difficulty`."""
    quality: float
    """The constant: log-odds at equal length on a prompt of difficulty 0."""

    def predict_at_equal_length(self, difficulty: np.ndarray) -> np.ndarray:
        """Predict preferences at equal length, [0, 1], one per difficulty."""
        return _sigmoid(self.quality + self.difficulty * difficulty)


class WinRates(NamedTuple):
    """A model's win rate against its baseline, as judged and at equal length (shares)."""

    raw: Estimate
    controlled: Estimate | None
    """None if length cannot be separated from quality: one prompt only, or the same difference of
    length in every pair."""
    control: LengthControl | None
    longer_share: float
    """Share of the judged pairs in which the model's response is longer; equal lengths one half."""

    @property
    def note(self) -> str | None:
        """Return why the controlled rate is an extrapolation; None if it is not."""
        if self.controlled is None or LEAST_SHARE <= self.longer_share <= 1 - LEAST_SHARE:
            return None
        return f"extrapolated: {100 * self.longer_share:.3g} % longer than the baseline's"


def estimate_win_rates(
    judged: pl.DataFrame, how: Resampling | None = None, gamed: pl.DataFrame | None = None
) -> WinRates:
    """Estimate a model's win rate against its baseline, raw and length-controlled.

    The standard error of the controlled rate is that of the linearised regression (influence
    functions at its coefficients) with the chosen penalty. Both rates use the same draws of
    prompts.

    Args:
        judged: prompt_id, preference (share of a win of the model, [0, 1]), response_chars,
            baseline_chars, and optionally difficulty; one row per judged pair, so a prompt may have
            several. The order of rows decides the folds.
        how: draws, level, seed.
        gamed: see `fit`.

    Raises:
        InputError: no rows, a null, or a preference outside [0, 1].
    """
    _require_complete(judged)
    raw = bootstrap.estimate_mean(judged, "preference", how)
    longer = judged["response_chars"] - judged["baseline_chars"]
    wins = (longer > 0).cast(pl.Float64) + (longer == 0).cast(pl.Float64) / 2
    share = cast(float, wins.mean())
    if raw.prompts < 2 or (longer.n_unique() == 1 and longer[0] != 0):
        return WinRates(raw, None, None, share)
    control = fit(judged, gamed)
    values = _compute_pseudo_values(judged, control, gamed)
    controlled = bootstrap.estimate_mean(values, how=how)
    return WinRates(raw, controlled, control, share)


def fit(judged: pl.DataFrame, gamed: pl.DataFrame | None = None) -> LengthControl:
    """Fit the coefficients.

    Args:
        judged: as in `estimate_win_rates`, at least two prompts.
        gamed: rows of the gamed baselines: model, preference, length_difference (the baseline's
            minus theirs, in standard deviations), difficulty. None: none, as in alpaca_eval's
            `length_controlled_noreg`.
    """
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import GroupKFold

    design, preference, weight = (
        _make_design(judged),
        _clip_preference(judged),
        np.ones(judged.height),
    )
    prompts = _number_prompts(judged["prompt_id"])
    if gamed is not None:  # first, as published: the order decides the folds
        design = np.concatenate([_make_gamed_design(gamed, judged), design])
        preference = np.concatenate([_clip_preference(gamed), preference])
        weight = np.concatenate([_weigh_gamed(gamed), weight])
        prompts = np.concatenate([np.arange(gamed.height), prompts + gamed.height])
    # each pair is a win with the weight of its preference, and a loss with the rest
    doubled, groups = np.tile(design, (2, 1)), np.tile(prompts, 2)
    folds = GroupKFold(min(FOLDS, prompts.max() + 1)).split(doubled, groups=groups)
    model = LogisticRegressionCV(
        Cs=PENALTIES,
        l1_ratios=[1.0],
        solver="liblinear",
        fit_intercept=False,
        cv=list(folds),
        scoring="neg_log_loss",
        random_state=123,  # as published; decides liblinear's order of coordinates
        max_iter=1_000,  # published: 100, too few if the longer response always wins
        use_legacy_attributes=False,
    )
    won = np.repeat([1, 0], len(design))
    shares = np.concatenate([preference * weight, (1 - preference) * weight])
    model.fit(doubled, won, sample_weight=shares)
    return LengthControl(*map(float, model.coef_[0]))


def _compute_pseudo_values(
    judged: pl.DataFrame, control: LengthControl, gamed: pl.DataFrame | None
) -> pl.DataFrame:
    """Compute one value per prompt; their mean is the length-controlled win rate.

    A row's influence on that mean is (p - mean p) / n + D H^-1 (s - mean s): p its prediction at
    equal length, s its score, H the sum of the information, D the gradient of the mean. A prompt's
    value is the mean plus its rows' influence, times the number of prompts. Gamed baselines are
    fixed: they add to the information only.
    """
    design = _make_design(judged)
    at_equal = design * [0, 1, 1]
    coefficients = np.array([control.length, control.difficulty, control.quality])
    fitted, predicted = _sigmoid(design @ coefficients), _sigmoid(at_equal @ coefficients)
    scores = design * (_clip_preference(judged) - fitted)[:, None]
    information = design.T @ (design * (fitted * (1 - fitted))[:, None])
    if gamed is not None:
        other = _make_gamed_design(gamed, judged)
        share = _sigmoid(other @ coefficients)
        information += other.T @ (other * (_weigh_gamed(gamed) * share * (1 - share))[:, None])
    gradient = (predicted * (1 - predicted)) @ at_equal / len(design)
    through_fit = (scores - scores.mean(axis=0)) @ np.linalg.pinv(information) @ gradient
    influence = (predicted - predicted.mean()) / len(design) + through_fit
    return (
        judged.select("prompt_id", influence=pl.Series(influence))
        .group_by("prompt_id", maintain_order=True)
        .agg(pl.col("influence").sum())
        .select("prompt_id", value=predicted.mean() + pl.col("influence") * pl.len())
    )


def _make_gamed_design(gamed: pl.DataFrame, judged: pl.DataFrame) -> np.ndarray:
    """Make the columns of `_make_design` for gamed baselines, whose quality is the baseline's."""
    difficulty = gamed["difficulty"].to_numpy() * ("difficulty" in judged.columns)
    length = gamed["length_difference"].tanh().to_numpy()
    return np.column_stack([length, difficulty, np.zeros(gamed.height)])


def _weigh_gamed(gamed: pl.DataFrame) -> np.ndarray:
    return np.full(gamed.height, GAMED_WEIGHT / gamed["model"].n_unique())


def _make_design(judged: pl.DataFrame) -> np.ndarray:
    """Make columns tanh of the standardised difference of length, difficulty, 1: (rows, 3)."""
    difference = (judged["baseline_chars"] - judged["response_chars"]).cast(pl.Float64)
    spread = cast("float | None", difference.std()) or 1.0  # 0: no pair differs, the column is 0
    difficulty = (
        judged["difficulty"].to_numpy()
        if "difficulty" in judged.columns
        else np.zeros(judged.height)
    )
    columns = [(difference / spread).tanh().to_numpy(), difficulty, np.ones(judged.height)]
    return np.column_stack(columns)


def _clip_preference(judged: pl.DataFrame) -> np.ndarray:
    return judged["preference"].to_numpy().clip(LEAST_WEIGHT, 1 - LEAST_WEIGHT)


def _number_prompts(ids: pl.Series) -> np.ndarray:
    """Number prompts from 0 in the order of their first rows, as the published folds do."""
    _, first, inverse = np.unique(ids.to_numpy(), return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse]


def _sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def _require_complete(judged: pl.DataFrame) -> None:
    columns = ["prompt_id", "preference", "response_chars", "baseline_chars"]
    columns += ["difficulty"] if "difficulty" in judged.columns else []
    nulls = {name: count for name in columns if (count := judged[name].null_count())}
    outside = judged.filter(~pl.col("preference").is_between(0, 1)).height
    if judged.is_empty() or nulls or outside:
        raise InputError(
            "these judged pairs have no length-controlled win rate",
            expected="pairs with a preference in [0, 1] and both lengths; a difficulty for all of"
            " them or for none",
            found=f"{judged.height} pairs; nulls: {nulls or 'none'}; {outside} preferences outside",
            remedy="remove the pairs without a verdict, and report their number",
        )
