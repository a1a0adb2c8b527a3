"""The tasks of AlpacaEval and Arena-Hard: a judge compares a model's answers with a baseline's.

Not here: their rules (`transforms.benchmarks.judged`), running them
(`training.benchmarks.judged_benchmark`).
"""

from collections.abc import Callable, Mapping
from functools import partial

import polars as pl

from training.benchmarks.judged_benchmark import Texts
from training.benchmarks.verdict_requests import VerdictRequest
from training.judging.benchmark_prompts import JudgePrompt, read_own_prompt, read_published_prompt
from training.settings.benchmarks import AlpacaEvalSettings, ArenaHardSettings
from transforms.benchmarks.judged import alpaca_eval, arena_hard
from transforms.benchmarks.judged.figures import measure_alpaca_eval, measure_arena_hard
from transforms.benchmarks.judged.verdicts import ORDERS, Form
from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

TOP_LOGPROBS = 5
"""Number of log-probabilities of the judge's first token, as in alpaca_eval."""

Data = Mapping[str, OriginSettings]
Measure = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


class Pairwise:
    """A model's answers against a baseline's, each pair in both orders."""

    def __init__(
        self,
        items: pl.DataFrame,
        prompt: JudgePrompt,
        places: tuple[str, str, str],
        measure: Measure,
        *,
        temperature: float,
        top_logprobs: int = 0,
    ) -> None:
        """Set the items, the prompt and the figures.

        Args:
            items: item, subset, question, baseline (answers), and difficulty if it is known.
            prompt: prompt for the judge.
            places: the prompt's placeholders for question, first and second answer.
            measure: computes `SUMMARY` from verdicts and items with response_chars and
                baseline_chars.
            temperature: temperature of the model's answers.
            top_logprobs: as in `JudgedTask`.
        """
        self._items, self._measure, self._places = items, measure, places
        self.prompts, self.top_logprobs = [prompt], top_logprobs
        self.questions = items.select(
            "item", "subset", turns=pl.concat_list("question"), temperature=pl.lit(temperature)
        )

    def list_requests(self, answers: Texts) -> list[VerdictRequest]:
        """List two games per answer, also for empty answers."""
        requests = []
        for row in self._items.filter(pl.col("item").is_in(list(answers))).to_dicts():
            shown = {"model": answers[row["item"]][0], "baseline": row["baseline"]}
            for order in (ORDERS, ORDERS[::-1]):
                texts = (row["question"], *(shown[side] for side in order))
                requests.append(
                    VerdictRequest(
                        row["subset"],
                        row["item"],
                        1,
                        order[0],
                        self.prompts[0],
                        tuple(zip(self._places, texts, strict=True)),
                    )
                )
        return requests

    def compute_figures(self, verdicts: pl.DataFrame, answers: Texts) -> pl.DataFrame:
        """Compute `SUMMARY` from verdicts, over the items that the model has answered."""
        chars = pl.DataFrame(
            [(item, len(texts[0])) for item, texts in answers.items()],
            schema={"item": pl.String, "response_chars": pl.Int64},
            orient="row",
        )
        lengths = self._items.join(chars, on="item", maintain_order="left").with_columns(
            baseline_chars=pl.col("baseline").str.len_chars().cast(pl.Int64)
        )
        return self._measure(verdicts, lengths.drop("question", "baseline"))


def open_alpaca_eval(settings: AlpacaEvalSettings, data: Data) -> Pairwise:
    """Open AlpacaEval: read instructions, difficulties, gamed baselines and the prompt.

    Args:
        settings: settings of the benchmark.
        data: its parts, from `transforms.sources.files.set_files.locate_parts`.

    Raises:
        InputError: a file cannot be read, or does not match the layout.
    """
    name = settings.benchmark
    items = alpaca_eval.convert_instructions(read_part(name, "baseline", data["baseline"]))
    if "difficulties" in data:
        known = read_part(name, "difficulties", data["difficulties"])
        items = alpaca_eval.add_difficulties(items, known)
    gamed = None
    if "gamed_baselines" in data:
        raw = read_part(name, "gamed_baselines", data["gamed_baselines"])
        gamed = alpaca_eval.convert_gamed_baselines(raw)
    places = ("instruction", "output_1", "output_2")
    return Pairwise(
        items.rename({"instruction": "question"}).with_columns(subset=pl.lit(name)),
        _read_prompt(data, "choice", places, {}),
        places,
        partial(measure_alpaca_eval, gamed=gamed),
        temperature=settings.temperature,
        top_logprobs=TOP_LOGPROBS if settings.token_probabilities else 0,
    )


def open_arena_hard(settings: ArenaHardSettings, data: Data) -> Pairwise:
    """Open Arena-Hard: read questions, the baseline's answers and the prompt.

    Args:
        settings: settings of the benchmark.
        data: its parts, from `transforms.sources.files.set_files.locate_parts`.

    Raises:
        InputError: a file cannot be read or does not match the layout, or an answer of the baseline
            is missing.
    """
    name = settings.benchmark
    questions = arena_hard.convert_questions(read_part(name, "questions", data["questions"]))
    baseline = arena_hard.convert_answers(read_part(name, "baseline", data["baseline"]))
    items = questions.join(
        baseline.rename({"answer": "baseline"}), on="item", how="left", maintain_order="left"
    )
    if missing := items["baseline"].null_count():
        raise InputError(
            f"the baseline of {name} does not answer all questions",
            expected=f"{items.height} answers",
            found=f"{missing} questions without one, the first"
            f" {items.filter(pl.col('baseline').is_null())['item'][0]}",
            remedy="use the answers of a model to these questions",
        )
    places = ("question", "answer_a", "answer_b")
    published = {
        "question_1": "question",
        "answer_1": "answer_a",
        "answer_2": "answer_b",
        "QUESTION": "question",
        "ANSWER_A": "answer_a",
        "ANSWER_B": "answer_b",
    }
    return Pairwise(
        items,
        _read_prompt(data, "five_way", places, published),
        places,
        measure_arena_hard,
        temperature=settings.temperature,
    )


def _read_prompt(
    data: Data, form: Form, places: tuple[str, ...], published: Mapping[str, str]
) -> JudgePrompt:
    if "judge_prompt" not in data:
        return read_own_prompt(form, form, set(places))
    (file,) = data["judge_prompt"].files
    return read_published_prompt(file, form, form, set(places), published)
