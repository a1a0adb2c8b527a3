"""AlpacaEval and Arena-Hard: a judge compares a model's answers with a baseline's.

Lives here: their data to questions, prompts and requests. Not here: their rules
(`transforms.benchmarks.judged`), running one (`training.benchmarks.judged_benchmark`).
"""

from collections.abc import Callable, Mapping

import polars as pl

from training.benchmarks.judged_benchmark import Texts
from training.benchmarks.verdict_requests import VerdictRequest
from training.judging.benchmark_prompts import JudgePrompt, read_own_prompt, read_published_prompt
from training.settings.benchmarks import AlpacaEvalSettings, ArenaHardSettings
from transforms.benchmarks.judged import alpaca_eval, arena_hard
from transforms.benchmarks.judged.figures import measure_alpaca_eval, measure_arena_hard
from transforms.benchmarks.judged.verdicts import ORDERS
from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

TOP_LOGPROBS = 5
"""Of the judge's first token, as alpaca_eval asks."""

Data = Mapping[str, OriginSettings]
Figures = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


class Pairwise:
    """A model's answers against a baseline's, each pair in both orders."""

    def __init__(
        self,
        items: pl.DataFrame,
        prompt: JudgePrompt,
        places: tuple[str, str, str],
        figures: Figures,
        *,
        temperature: float,
        top_logprobs: int = 0,
    ) -> None:
        """Name the items and how they are judged.

        Args:
            items: item, subset, question, baseline (answers), and difficulty where it is known.
            prompt: what the judge is asked with.
            places: the prompt's places of question, first and second answer.
            figures: verdicts and items (with response_chars, baseline_chars) to `SUMMARY`.
            temperature: of the model's answers.
            top_logprobs: as in `JudgedTask`.
        """
        self._items, self._figures, self._places = items, figures, places
        self.prompts, self.top_logprobs = [prompt], top_logprobs
        self.questions = items.select(
            "item", "subset", turns=pl.concat_list("question"), temperature=pl.lit(temperature)
        )

    def requests(self, answers: Texts) -> list[VerdictRequest]:
        """Ask for two games per answer, also where the answer is empty."""
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

    def figures(self, verdicts: pl.DataFrame, answers: Texts) -> pl.DataFrame:
        """Turn verdicts into `SUMMARY`; items that the model was not asked are in none."""
        chars = pl.DataFrame(
            [(item, len(texts[0])) for item, texts in answers.items()],
            schema={"item": pl.String, "response_chars": pl.Int64},
            orient="row",
        )
        lengths = self._items.join(chars, on="item", maintain_order="left").with_columns(
            baseline_chars=pl.col("baseline").str.len_chars().cast(pl.Int64)
        )
        return self._figures(verdicts, lengths.drop("question", "baseline"))


def open_alpaca_eval(settings: AlpacaEvalSettings, data: Data) -> Pairwise:
    """Read the data.

    Args:
        settings: of the benchmark.
        data: its parts, located (`transforms.sources.files.set_files.locate_parts`).

    Raises:
        InputError: a file cannot be read, or does not fit.
    """
    name = settings.benchmark
    items = alpaca_eval.convert_instructions(read_part(name, "baseline", data["baseline"]))
    if "difficulties" in data:
        known = read_part(name, "difficulties", data["difficulties"])
        items = alpaca_eval.add_difficulties(items, known)
    places = ("instruction", "output_1", "output_2")
    return Pairwise(
        items.rename({"instruction": "question"}).with_columns(subset=pl.lit(name)),
        _prompt(data, "choice", places, {}),
        places,
        measure_alpaca_eval,
        temperature=settings.temperature,
        top_logprobs=TOP_LOGPROBS if settings.token_probabilities else 0,
    )


def open_arena_hard(settings: ArenaHardSettings, data: Data) -> Pairwise:
    """Read the data.

    Args:
        settings: of the benchmark.
        data: its parts, located (`transforms.sources.files.set_files.locate_parts`).

    Raises:
        InputError: a file cannot be read, or does not fit, or the baseline lacks an answer.
    """
    name = settings.benchmark
    asked = arena_hard.convert_questions(read_part(name, "questions", data["questions"]))
    given = arena_hard.convert_answers(read_part(name, "baseline", data["baseline"]))
    items = asked.join(
        given.rename({"answer": "baseline"}), on="item", how="left", maintain_order="left"
    )
    if missing := items["baseline"].null_count():
        raise InputError(
            f"the baseline of {name} does not answer all questions",
            expected=f"{items.height} answers",
            found=f"{missing} questions without one, the first"
            f" {items.filter(pl.col('baseline').is_null())['item'][0]}",
            remedy="name the answers of a model to these questions",
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
        _prompt(data, "five_way", places, published),
        places,
        measure_arena_hard,
        temperature=settings.temperature,
    )


def _prompt(
    data: Data, form: str, places: tuple[str, ...], published: Mapping[str, str]
) -> JudgePrompt:
    if "judge_prompt" not in data:
        return read_own_prompt(form, form, set(places))
    (file,) = data["judge_prompt"].files
    return read_published_prompt(file, form, form, set(places), published)
