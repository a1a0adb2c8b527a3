"""Win rates as AlpacaEval counts them, from preferences in [0, 1]. Not here: at equal length."""

import polars as pl

from transforms.errors import InputError


def count_wins(preferences: pl.Series) -> dict[str, float]:
    """Count the wins of a model over its baseline.

    Args:
        preferences: share of a win of the model, [0, 1]; one an instruction.

    Returns:
        win_rate (mean share), standard_error (of that mean, over instructions), discrete_win_rate
        (a share above one half is a win, one half a draw), all per cent; n_wins, n_wins_base,
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
            remedy="leave out the pairs without a verdict, and say how many",
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
