"""The task of MT-Bench: a judge rates both answers of a model separately.

Not here: its rules (`transforms.benchmarks.judged.mt_bench`), running it
(`training.benchmarks.judged_benchmark`).
"""

from collections.abc import Mapping

import polars as pl

from training.benchmarks.judged_benchmark import Texts
from training.benchmarks.verdict_requests import VerdictRequest
from training.judging.benchmark_prompts import JudgePrompt, read_own_prompt, select_mt_bench_prompts
from training.settings.benchmarks import MTBenchSettings
from transforms.benchmarks.judged import mt_bench
from transforms.benchmarks.judged.figures import measure_mt_bench
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

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
"""By turn and whether a reference is shown: published name, our name, placeholders of a prompt."""


class MTBench:
    """Two answers per question, rated separately."""

    top_logprobs = 0

    def __init__(
        self, items: pl.DataFrame, prompts: Mapping[tuple[int, bool], JudgePrompt]
    ) -> None:
        """Set the items and the prompts.

        Args:
            items: item, subset, turns, references.
            prompts: prompts by turn and whether a reference is shown.
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

    def list_requests(self, answers: Texts) -> list[VerdictRequest]:
        """List the requests for a rating of each turn; the second turn is shown with the first."""
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

    def compute_figures(self, verdicts: pl.DataFrame, answers: Texts) -> pl.DataFrame:
        """Compute `SUMMARY` from verdicts, over the items that the model has answered."""
        answered = self._items.filter(pl.col("item").is_in(list(answers)))
        return measure_mt_bench(verdicts, answered)


def open_mt_bench(settings: MTBenchSettings, data: Mapping[str, OriginSettings]) -> MTBench:
    """Open the task: read questions, references and prompts.

    Args:
        settings: settings of the benchmark.
        data: its parts, from `transforms.sources.files.set_files.locate_parts`.

    Raises:
        InputError: a file cannot be read, or does not match the layout.
    """
    name = settings.benchmark
    items = mt_bench.convert_questions(
        read_part(name, "questions", data["questions"]),
        read_part(name, "references", data["references"]),
    )
    if "judge_prompts" not in data:
        ours = {
            key: read_own_prompt(own, "rating", places)
            for key, (_, own, places) in MT_BENCH_PROMPTS.items()
        }
        return MTBench(items, ours)
    raw = read_part(name, "judge_prompts", data["judge_prompts"])
    wanted = {published: places for published, _, places in MT_BENCH_PROMPTS.values()}
    found = select_mt_bench_prompts(raw, wanted, "rating")
    return MTBench(items, dict(zip(MT_BENCH_PROMPTS, found, strict=True)))
