"""AlpacaEval 2, MT-Bench and Arena-Hard: our figures from published files, and the published ones.

One JSON line per model of AlpacaEval: the win rate; the length-controlled win rate by the published
coefficients; and by our fit, with and without difficulties, with and without gamed baselines, which
are simulated. Then the errors of these fits over all models, the means and matches of MT-Bench, and
the numbers of questions of Arena-Hard.

    python -m bench.real.judged_benchmarks
"""

import json

import polars as pl

from bench.inputs import DATA
from bench.real.published_judgments import (
    ANNOTATIONS,
    COEFFICIENTS,
    PUBLISHED_MATCHES,
    PUBLISHED_RATINGS,
    convert_annotations,
    count_wins,
    decide_matches,
    read_length_control,
    simulate_gamed_baselines,
)
from transforms.benchmarks.judged import alpaca_eval, arena_hard, mt_bench
from transforms.measures.length_control import estimate_win_rates
from transforms.public_sets.chat import ARENA_HARD, ARENA_HARD_V2, DIFFICULTIES, MT_BENCH
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_strict


def read(name: str, native: dict) -> pl.DataFrame:
    """Read a file of the data folder with its native columns."""
    return pl.concat(read_strict(name, OriginSettings(files=(str(DATA / name),)), native))


def show_alpaca_eval() -> None:
    """Print one line per model that has a file of annotations."""
    coefficients = read("alpaca_eval/glm_weights.csv", COEFFICIENTS)
    difficulties = read("alpaca_eval/instruction_difficulty_estimated.csv", DIFFICULTIES)
    gamed = simulate_gamed_baselines(difficulties["instruction_difficulty_estimate"])
    errors: dict[str, list[float]] = {}
    for row in pl.read_csv(DATA / "alpaca_eval" / "leaderboard_rows.csv").to_dicts():
        model = row[""]
        file = f"alpaca_eval/{model}/annotations.json.gz"
        if not (DATA / file).is_file():
            continue  # the baseline has none
        pairs = convert_annotations(read(file, ANNOTATIONS))
        pairs = alpaca_eval.add_difficulties(pairs, difficulties)
        control = read_length_control(coefficients, model)
        fits = {
            "refit": estimate_win_rates(pairs),
            "refit_gamed": estimate_win_rates(pairs, gamed=gamed),
            "refit_without_difficulty": estimate_win_rates(pairs.drop("difficulty")),
            "refit_gamed_without_difficulty": estimate_win_rates(
                pairs.drop("difficulty"), gamed=gamed
            ),
        }
        published = row["length_controlled_winrate"]
        for name, rates in fits.items():
            errors.setdefault(name, []).append(abs(100 * rates.controlled.value - published))
        figures = {
            "win_rate": count_wins(pairs["preference"])["win_rate"],
            "published_win_rate": row["win_rate"],
            "by_published_coefficients": 100
            * float(control.predict_at_equal_length(pairs["difficulty"].to_numpy()).mean()),
            "published_length_controlled": published,
            **{name: 100 * rates.controlled.value for name, rates in fits.items()},
            "refit_standard_error": 100 * fits["refit"].controlled.standard_error,
            "longer_share": fits["refit"].longer_share,
        }
        print(json.dumps({"model": model} | {k: round(v, 6) for k, v in figures.items()}))
    summary = {name: {"mean": sum(x) / len(x), "largest": max(x)} for name, x in errors.items()}
    print(json.dumps({"errors": summary}))


def show_mt_bench() -> None:
    """Print the means of the published ratings, and the outcomes of the published matches."""
    parts = MT_BENCH.parts
    asked = mt_bench.convert_questions(
        read("mt_bench/question.jsonl", parts["questions"].native),
        read("mt_bench/reference_answer_gpt-4.jsonl", parts["references"].native),
    )
    rated = read("mt_bench/judgment_phi-3-dpo_single.jsonl.gz", PUBLISHED_RATINGS).select(
        "turn", item=pl.col("question_id").cast(pl.String), rating="score"
    )
    _, dropped = mt_bench.drop_invalid_ratings(rated)
    means = mt_bench.summarise_ratings(rated.join(asked.select("item", "subset"), on="item"))
    print(json.dumps({"mt_bench_dropped_ratings": dropped.height}))
    print(json.dumps({"mt_bench": means.filter(subset="all").to_dicts()}))
    games = read("mt_bench/judgment_phi-3_vs_dpo_pair.jsonl.gz", PUBLISHED_MATCHES)
    outcomes = decide_matches(games)["outcome"].fill_null("error").value_counts(sort=True)
    print(json.dumps({"matches": dict(outcomes.iter_rows())}))


def show_arena_hard() -> None:
    """Print the number of questions, and of those that both models answer."""
    parts = ARENA_HARD.parts
    asked = arena_hard.convert_questions(
        read("arena_hard/question_v0.1.jsonl", parts["questions"].native)
    )
    for model in ("gpt-4-0314", "gpt-3.5-turbo-0125"):
        rows = read(f"arena_hard/model_answer_{model}.jsonl.gz", parts["baseline"].native)
        asked = asked.join(arena_hard.convert_answers(rows).rename({"answer": model}), on="item")
    newer = ARENA_HARD_V2.parts["questions"].native
    v2 = arena_hard.convert_questions(read("arena_hard/question_v2.0.jsonl.gz", newer))
    print(json.dumps({"arena_hard_paired": asked.height, "arena_hard_v2_questions": v2.height}))


if __name__ == "__main__":
    show_alpaca_eval()
    show_mt_bench()
    show_arena_hard()
