"""AlpacaEval, MT-Bench and Arena-Hard: the requests to their judge, the figures of its verdicts.

Lives here: the data's parts to questions, prompts and requests. Not here: the rules of a benchmark
(`transforms.benchmarks.judged`), running one (`training.benchmarks.judged_benchmark`).
"""

from collections.abc import Callable, Mapping

import polars as pl

from training.benchmarks.judged_benchmark import Texts
from training.benchmarks.verdict_requests import VerdictRequest
from training.judging.benchmark_prompts import (
    JudgePrompt,
    mt_bench_prompts,
    own_prompt,
    published_prompt,
)
from training.settings.benchmarks import (
    AlpacaEvalSettings,
    ArenaHardSettings,
    JudgedSettings,
    MTBenchSettings,
)
from transforms.benchmarks.judged import alpaca_eval, arena_hard, mt_bench
from transforms.benchmarks.judged.figures import (
    alpaca_eval_figures,
    arena_hard_figures,
    mt_bench_figures,
)
from transforms.benchmarks.judged.games import ORDERS
from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

TOP_LOGPROBS = 5
"""Of the judge's first token, as alpaca_eval asks."""

MT_BENCH_PROMPTS = {
    (1, False): ("single-v1", "rating", {"question", "answer"}),
    (1, True): ("single-math-v1", "rating_reference", {"question", "answer", "ref_answer_1"}),
    (2, False): (
        "single-v1-multi-turn",
        "rating_second_turn",
        {"question_1", "answer_1", "question_2", "answer_2"},
    ),
    (2, True): (
        "single-math-v1-multi-turn",
        "rating_second_turn_reference",
        {"question_1", "answer_1", "question_2", "answer_2", "ref_answer_1", "ref_answer_2"},
    ),
}
"""By turn and whether a reference is shown: the published prompt's name, ours, their places."""

Data = Mapping[str, OriginSettings]
Figures = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


def open_task(settings: JudgedSettings, data: Data) -> "Pairwise | MTBench":
    """Read the data of a benchmark.

    Args:
        settings: of the benchmark.
        data: its parts, located (`transforms.sources.files.set_files.locate_parts`).

    Raises:
        InputError: a file cannot be read, or does not fit.
    """
    if isinstance(settings, MTBenchSettings):
        return _mt_bench(data)
    if isinstance(settings, AlpacaEvalSettings):
        return _alpaca_eval(settings, data)
    return _arena_hard(settings, data)


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


class MTBench:
    """Two answers per question, each rated by itself."""

    top_logprobs = 0

    def __init__(
        self, items: pl.DataFrame, prompts: Mapping[tuple[int, bool], JudgePrompt]
    ) -> None:
        """Name the items and how they are judged.

        Args:
            items: item, subset, turns, references.
            prompts: by turn and whether a reference is shown.
        """
        self._items, self._prompts = items, prompts
        self.prompts = list(prompts.values())
        self.questions = items.select(
            "item",
            "subset",
            "turns",
            temperature=pl.col("subset").replace_strict(
                mt_bench.TEMPERATURES, return_dtype=pl.Float64
            ),
        )

    def requests(self, answers: Texts) -> list[VerdictRequest]:
        """Ask for a rating of each turn; the second is shown with the first."""
        requests = []
        for row in self._items.filter(pl.col("item").is_in(list(answers))).to_dicts():
            (question, follow_up), (answer, second) = row["turns"], answers[row["item"]]
            references = row["references"] or []
            shown = {f"ref_answer_{turn}": text for turn, text in enumerate(references, start=1)}
            first = {"question": question, "answer": answer}
            both = {
                "question_1": question,
                "answer_1": answer,
                "question_2": follow_up,
                "answer_2": second,
            }
            for turn, texts in enumerate((first, both), start=1):
                prompt = self._prompts[turn, bool(references)]
                places = tuple({**texts, **shown}.items())
                requests.append(
                    VerdictRequest(row["subset"], row["item"], turn, None, prompt, places)
                )
        return requests

    def figures(self, verdicts: pl.DataFrame, answers: Texts) -> pl.DataFrame:
        """Turn verdicts into `SUMMARY`; items that the model was not asked are in none."""
        asked = self._items.filter(pl.col("item").is_in(list(answers)))
        return mt_bench_figures(verdicts, asked)


def _alpaca_eval(settings: AlpacaEvalSettings, data: Data) -> Pairwise:
    items = alpaca_eval.instructions(read_part("alpaca_eval", "baseline", data["baseline"]))
    if "difficulties" in data:
        known = read_part("alpaca_eval", "difficulties", data["difficulties"])
        items = alpaca_eval.with_difficulty(items, known)
    places = ("instruction", "output_1", "output_2")
    return Pairwise(
        items.rename({"instruction": "question"}).with_columns(subset=pl.lit("alpaca_eval")),
        _prompt(data, "choice", places, {}),
        places,
        alpaca_eval_figures,
        temperature=settings.temperature,
        top_logprobs=TOP_LOGPROBS if settings.token_probabilities else 0,
    )


def _arena_hard(settings: ArenaHardSettings, data: Data) -> Pairwise:
    name = settings.benchmark
    asked = arena_hard.questions(read_part(name, "questions", data["questions"]))
    given = arena_hard.answers(read_part(name, "baseline", data["baseline"]))
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
        arena_hard_figures,
        temperature=settings.temperature,
    )


def _mt_bench(data: Data) -> MTBench:
    items = mt_bench.questions(
        read_part("mt_bench", "questions", data["questions"]),
        read_part("mt_bench", "references", data["references"]),
    )
    if "judge_prompts" not in data:
        ours = {
            key: own_prompt(name, "rating", places)
            for key, (_, name, places) in MT_BENCH_PROMPTS.items()
        }
        return MTBench(items, ours)
    raw = read_part("mt_bench", "judge_prompts", data["judge_prompts"])
    wanted = {name: places for name, _, places in MT_BENCH_PROMPTS.values()}
    found = mt_bench_prompts(raw, wanted, "rating")
    return MTBench(items, dict(zip(MT_BENCH_PROMPTS, found, strict=True)))


def _prompt(
    data: Data, form: str, places: tuple[str, ...], published: Mapping[str, str]
) -> JudgePrompt:
    if "judge_prompt" not in data:
        return own_prompt(form, form, set(places))
    (file,) = data["judge_prompt"].files
    return published_prompt(file, form, form, set(places), published)
