"""The planned work of a recipe: rows, loads on GPUs and disk of each asset, in the order of a run.

Responses and scores that experiments share are counted once, as a run copies them: those of
iteration 1 with equal settings. Of the assets that load no model, only labels and pairs are listed.
Not here: judges, benchmarks and labelled pairs (`list_unplanned`), measured costs
(`transforms.lake.records.costs`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from training.planning import disk, memory
from training.planning.examples import Examples, count_demonstrations, count_pairs, list_missing
from training.planning.loads import Load, Loads
from training.planning.trainings import (
    PAIR,
    Work,
    count_host_models,
    keep_checkpoints,
    plan_training,
)
from training.recipe import Recipe
from training.settings.loop import LoopSettings
from training.settings.rankers import find_kind
from training.settings.rewards.checks import list_parts
from training.settings.training import ReferenceSettings
from transforms.lake.asset_names import OFFLINE, iteration_asset, iteration_name
from transforms.lake.lake import Lake
from transforms.lake.schemas.table import SHARED
from transforms.pairs.objectives import OBJECTIVES


@dataclass
class Planner:
    """Lists the work of a recipe."""

    recipe: Recipe
    loads: Loads
    lake: Lake
    """Lake of the study: rows that exist are counted."""
    _made: set[object] = field(default_factory=set)
    """Keys of responses, scores and reference passes that an experiment has made."""

    def plan(self) -> list[Work]:
        """List the work of every asset."""
        return [*self._plan_shared(), *self._plan_experiments()]

    def _plan_shared(self) -> Iterator[Work]:
        recipe, loop = self.recipe, self.recipe.loop
        model = self.loads.model
        size = memory.BFLOAT16 if recipe.model.dtype == "bfloat16" else memory.FLOAT32
        # a model of the hub is downloaded into its cache, and saved again
        copies = 0 if recipe.model.tiny else memory.BFLOAT16
        yield Work("initial_model", SHARED, None, (size + copies) * model.weights)
        if recipe.sft:
            examples = count_demonstrations(recipe, recipe.sft, self.lake)
            yield plan_training(self.loads, recipe.initial_policy, recipe.sft, examples)
        for name, settings in recipe.resolve_trained_rankers().items():
            pairs = count_pairs(recipe, settings.mixture, settings.max_tokens, self.lake)
            yield plan_training(self.loads, name, settings, pairs)
        if recipe.has_pairs:
            yield self._plan_offline()
        if recipe.splits.length_study_fraction:
            yield from self._plan_responses(
                "length_study", SHARED, loop, recipe.splits.length_study_prompts, pairs=False
            )
        prompts = loop.iterations * recipe.splits.prompts_per_iteration
        yield from self._plan_chain("one_shot", SHARED, loop, prompts)
        yield self._plan_evaluation("baseline_evaluation", SHARED, loop, len(recipe.baselines))

    def _plan_experiments(self) -> Iterator[Work]:
        recipe = self.recipe
        for experiment in recipe.experiments:
            loop = recipe.resolve_loop(experiment)
            for t in range(1, recipe.loop.iterations + 1):
                yield from self._plan_feedback(t, experiment, loop)
                prompts = recipe.splits.prompts_per_iteration
                yield from self._plan_chain(iteration_name(t), experiment, loop, prompts, t)
            yield self._plan_evaluation("evaluation", experiment, loop, recipe.loop.iterations)

    def _plan_offline(self) -> Work:
        loop = self.recipe.loop
        settings = loop.dpo.adapt_to_offline(
            [self.recipe.splits.prompts_per_iteration] * loop.iterations
        )
        mixture = self.recipe.offline_mixture
        examples = count_pairs(self.recipe, mixture, settings.max_tokens, self.lake)
        trained = min(examples.rows, settings.count_steps(0) * settings.batch_size)
        reference = self.loads.refer(settings, loop.sampling, PAIR * trained, PAIR)
        work = plan_training(self.loads, OFFLINE, settings, examples)
        (training,) = work.loads
        # these responses are not sampled: the reference reads as many tokens as an epoch trains on
        tokens = training.tokens / (settings.count_steps(0) * settings.batch_size) * trained
        share = tokens / reference.tokens if reference.tokens else 0
        reference = replace(
            reference, tokens=tokens, seconds=reference.seconds and reference.seconds * share
        )
        return replace(work, loads=(reference, *work.loads))

    def _plan_chain(
        self, group: str, experiment: str, loop: LoopSettings, prompts: int, t: int = 0
    ) -> Iterator[Work]:
        """Plan the assets of a chain: generations, scores, pairs, policy."""
        yield from self._plan_responses(group, experiment, loop, prompts, t)
        loop = loop.at_iteration(t)
        objective = OBJECTIVES[loop.objective]
        settings, n = loop.resolve_training(), loop.sampling.responses_per_prompt
        longest = min(settings.max_tokens, loop.sampling.max_context_tokens)
        settings = settings.model_copy(update={"max_tokens": longest})
        per_prompt = objective.rows_per_prompt(n, _count_pairs_per_prompt(loop), settings)
        own = prompts * per_prompt
        examples = own * (t if loop.data == "accumulated" and t else 1)
        lengths, most, sides = self.loads.lengths, settings.max_tokens, objective.responses_per_row
        shared = self.loads.shares_prompts(settings)
        length = lengths.count_row(1, most=most, shared=False)
        rows = (
            settings.max_steps * settings.batch_size
            if settings.max_steps
            else examples * settings.epochs
        )
        loads = []
        if isinstance(settings, ReferenceSettings) and objective.takes_reference:
            key = ("reference", self._key_scores(loop), loop.objective, loop.pairs, per_prompt)
            if self._is_new(key, t):
                loads.append(self.loads.refer(settings, loop.sampling, own * sides, sides))
        others = None
        if not loop.has_responses:
            loads += self._sample_in_training(loop, rows)
            others = self.loads.hold_others(settings, self._count_reward_models(loop.ranker))
        loads.append(
            self.loads.train(
                loop.objective, settings, sequences=sides,
                tokens=rows * lengths.count_row(sides, most=most, shared=shared),
                most_tokens=rows * sides * most, length=length,
                models=count_host_models(settings), others=others,
            )
        )  # fmt: skip
        shares = {one.share for one in loop.sampling.samplers if one.policy == "step"}
        kept = len(shares) if 0 < t < self.recipe.loop.iterations else 0
        asset = f"{group}/policy"
        yield keep_checkpoints(
            self.loads, asset, experiment, settings, "language", rows, loads, kept=kept
        )

    def _plan_responses(
        self, group: str, experiment: str, loop: LoopSettings, prompts: int, t: int = 0,
        *, pairs: bool = True,
    ) -> Iterator[Work]:  # fmt: skip
        """Plan responses, scores and pairs of a chain; an objective that stores none has none."""
        if not loop.has_responses:
            return
        sampling, n = loop.sampling, loop.sampling.responses_per_prompt
        responses = prompts * n
        response = min(self.loads.lengths.response, sampling.max_tokens)
        engines = len({one.policy_name for one in sampling.resolve_samplers()})
        sampled = self.loads.sample(
            sampling, prompts=prompts, responses=responses, engines=engines,
        )  # fmt: skip
        new = self._is_new(("responses", self._key_responses(loop)), t)
        size = disk.measure_rows(responses, responses * response)
        yield Work(
            f"{group}/generations", experiment, responses if new else 0, size,
            (sampled,) if new else (),
        )  # fmt: skip
        new = self._is_new(("scores", self._key_scores(loop)), t)
        ranked = self._rank(loop, prompts, responses)
        yield Work(
            f"{group}/scores", experiment, responses if new else 0,
            disk.measure_rows(responses, 0), ranked if new else (),
        )  # fmt: skip
        if pairs:
            rows = prompts * _count_pairs_per_prompt(loop)
            size = disk.measure_rows(rows, rows * PAIR * response)
            yield Work(f"{group}/dpo_pairs", experiment, rows, size)

    def _rank(self, loop: LoopSettings, prompts: int, responses: int) -> tuple[Load, ...]:
        """Plan the ranker's work: that of the models which the recipe trains.

        A judge and the rewards that the recipe brings have none: the plan does not know their
        models.
        """
        n = loop.sampling.responses_per_prompt
        if scores := self._score(loop.ranker, loop, responses, n):
            return scores
        if find_kind(loop.ranker).name != "preference_model":
            return ()
        comparisons = math.comb(n, 2) if loop.ranking.method == "round_robin" else 2 * n
        return (self.loads.compare(loop, prompts, comparisons),)

    def _score(self, ranker: str, loop: LoopSettings, responses: float, n: int) -> tuple[Load, ...]:
        """Plan the scores of responses, n per prompt, by the models that decide the rewards."""
        models = self._count_reward_models(ranker)
        return (self.loads.score(loop.scoring, loop.sampling, responses, n),) * models

    def _count_reward_models(self, ranker: str) -> int:
        """Count the reward models that the recipe trains and that decide a ranker's rewards."""
        parts = list_parts(self.recipe.resolve_rankers(), ranker)
        return sum(find_kind(part).is_reward_model for part in parts)

    def _sample_in_training(self, loop: LoopSettings, rows: float) -> list[Load]:
        """Plan the responses that a policy gradient samples and scores while it trains."""
        n, processes = loop.sampling.responses_per_prompt, loop.resolve_training().processes
        sampled = self.loads.sample(loop.sampling, prompts=rows / n, responses=rows)
        scored = self._score(loop.ranker, loop, rows, n)
        # every process of the training has all models, whose memory is counted there
        return [
            replace(
                load,
                gpus=processes,
                seconds=load.seconds and load.seconds * load.gpus / processes,
                memory=None,
            )
            for load in (sampled, *scored)
        ]

    def _plan_feedback(self, t: int, experiment: str, loop: LoopSettings) -> Iterator[Work]:
        """Plan the feedback assets of iteration t; a tie is counted as a training pair."""
        if loop.feedback is None:
            return
        labels = loop.feedback.labels
        response = min(self.loads.lengths.response, loop.sampling.max_tokens)
        queue = disk.measure_rows(labels, labels * PAIR * response)
        yield Work(iteration_asset(t, "label_queue"), experiment, labels, queue)
        labelled = disk.measure_rows(labels, 0)
        yield Work(iteration_asset(t, "preference_labels"), experiment, labels, labelled)
        settings = self.recipe.resolve_refresh(loop)
        pairs = round(t * labels * (1 + loop.feedback.replay))
        tokens = pairs * PAIR * (self.loads.lengths.prompt + response)
        repeated = pairs * self.loads.lengths.prompt
        examples = Examples(pairs, tokens, (), repeated=repeated)
        work = plan_training(self.loads, "reward_model", settings, examples)
        yield replace(work, asset=iteration_asset(t, "reward_model"), experiment=experiment)

    def _plan_evaluation(
        self, asset: str, experiment: str, loop: LoopSettings, models: int
    ) -> Work:
        """Plan an evaluation; `costs` does not count its rows."""
        splits = self.recipe.splits
        prompts = splits.evaluation_prompts + splits.validation_prompts
        if splits.promotion_fraction:
            prompts += splits.promotion_prompts
        n = self.recipe.evaluation.samples + 1
        rows = models * prompts * n
        loads = (
            self.loads.sample(
                loop.sampling, prompts=2 * models * prompts, responses=rows, engines=models
            ),
            *self._score(self.recipe.evaluation_reward, loop, rows, n),
            self.loads.measure_logps(2 * rows, n),
        )
        tokens = rows * min(self.loads.lengths.response, loop.sampling.max_tokens)
        return Work(asset, experiment, None, disk.measure_rows(rows, tokens), loads)

    def _is_new(self, key: object, t: int) -> bool:
        """Check whether no experiment has made this yet; only iteration 1 can be shared."""
        if t != 1:
            return True
        known = key in self._made
        self._made.add(key)
        return not known

    def _key_responses(self, loop: LoopSettings) -> str:
        key = loop.sampling.model_dump_json()
        adaptive = loop.sampling.adaptive is not None
        return key + (f"{loop.ranker} {loop.pairs}" if adaptive else "")

    def _key_scores(self, loop: LoopSettings) -> str:
        feedback = "" if loop.feedback is None else loop.feedback.model_dump_json()
        return f"{self._key_responses(loop)} {loop.ranker} {loop.ranking.method} {feedback}"


def list_unplanned(recipe: Recipe, works: list[Work]) -> list[str]:
    """List what the numbers leave out, with the setting that would add it."""
    missing = list_missing([work.examples for work in works if work.examples])
    notes = [
        f"rows of {name}: give them as plan.rows.{name}, e.g. --set plan.rows.{name}=100000"
        for name in missing
    ]
    if recipe.judge is not None:
        notes.append("comparisons by the judge: its model is not planned")
    if recipe.rewards:
        notes.append(
            "scores by `rewards`: models and functions that are not trained are not planned"
        )
    if recipe.benchmarks:
        notes.append(f"benchmarks: {', '.join(recipe.benchmarks)}")
    if recipe.reward_bench:
        notes.append(f"reward_bench: {', '.join(recipe.reward_bench)}")
    if not all(source.sample_task for source in recipe.sources.values()):
        notes.append("downloads of datasets, and tables of their rows")
    return notes


def _count_pairs_per_prompt(loop: LoopSettings) -> int:
    n = loop.sampling.responses_per_prompt
    return math.comb(n, 2) if loop.pairs.rule == "all_above_margin" else 1
