"""Checks of the files, local models, GPUs and software that a recipe needs, before anything runs.

Not here: the checks (`training.models.initial_model`, `training.judging.local_judge`,
`training.runs.software`). The asset `initial_model` repeats those of its model, and checks a model
from the hub, too.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from training.models.intake.gguf_file import require_gguf
from training.recipe import Recipe
from training.runs.software import require_software
from training.runs.trackers import require_trackers
from training.settings.benchmarks import JudgedSettings
from training.settings.promotion import JUDGE_METRIC
from training.settings.rewards.checks import list_parts as list_ranker_parts
from transforms.sources.files.folders import list_parts


def check_source_files(recipe: Recipe, assets: Collection[str]) -> None:
    """Refuse sources whose files are missing.

    Args:
        recipe: the study.
        assets: names of the assets to materialize. Files of other sources need not be here.

    Raises:
        InputError: the message gives the first path that cannot be read, and the names like it.
    """
    for source in recipe.resolve_sources():
        if source.origin.files and f"raw_{source.name}" in assets:
            list_parts(source.origin.files)


def check_devices(recipe: Recipe) -> None:
    """Refuse more GPUs than this machine has, before anything runs. A CPU allows any number.

    The GPUs of a cluster are counted when a stage starts there (`training.runs.ray_cluster`).

    Raises:
        InputError: the message gives both numbers.
    """
    judge = recipe.resolve_judge()
    used = [recipe.devices] + ([judge.devices] if judge and judge.devices else [])
    here = [one.replicas * one.gpus_per_replica for one in used if one.cluster is None]
    gpus = max(here, default=0)
    if gpus > 1:  # one GPU or none: torch is not loaded
        from training.models.loading.gpus import require_gpus

        require_gpus(gpus)


def check_local_models(recipe: Recipe) -> None:
    """Refuse local models that a later step would refuse; no weights are loaded.

    They are the initial model, the judge, and the reward models of `rewards`.

    Raises:
        InputError: the first fault of a model's folder, or token limits larger than its context.
    """
    if recipe.model.gguf:
        require_gguf(recipe.model.gguf)
    if recipe.model.path and Path(recipe.model.path).is_dir():
        # Imported here, because a recipe without local models is checked without transformers.
        from training.models.checkpoint import require_model
        from training.models.initial_model import read_initial_tokenizer
        from training.models.loading.config import read_context_tokens
        from training.models.loading.weights import require_causal_weights, require_classifier

        require_model(recipe.model.path, chat_template=recipe.model.tokenizer is None)
        recipe.require_context(read_context_tokens(recipe.model.path))
        read_initial_tokenizer(recipe.model)
        require_causal_weights(recipe.model.path, text_part=True)
        if recipe.trains_reward_model:
            require_classifier(recipe.model.path)
    if recipe.judge and recipe.judge.path and Path(recipe.judge.path).is_dir():
        from training.judging.local_judge import check_judge_folder

        check_judge_folder(Path(recipe.judge.path), recipe.judge)
    for name, reward in recipe.rewards.items():
        if reward.path and Path(reward.path).is_dir():
            from training.rewards.given_model import check_folder

            loops, refreshes = recipe.list_scored_loops(name), recipe.list_refreshes(name)
            check_folder(Path(reward.path), loops, refreshes)


def check_named_models(recipe: Recipe, assets: Mapping[str, Collection[str]]) -> None:
    """Refuse a reward model or a judge that is no folder here and has no revision of the hub.

    Args:
        recipe: the study.
        assets: names of the assets to materialize, by experiment. The models that only others read
            need not be here.

    Raises:
        InputError: the first one.
    """
    used = {one for name, names in assets.items() for one in _list_read(recipe, name, names)}
    judge = recipe.judge
    if judge and judge.path and not judge.revision and "judge" in used:
        from training.judging.local_judge import find_judge_folder

        find_judge_folder(judge.path, None)
    for name in used & set(recipe.rewards):
        reward = recipe.rewards[name]
        if reward.path and not reward.revision:
            from training.rewards.given_model import find_folder

            find_folder(reward.path, None)


def _list_read(recipe: Recipe, experiment: str, assets: Collection[str]) -> set[str]:
    """Return the names of the rankers, and of the judge, that assets of an experiment read."""
    promotion, loop = recipe.resolve_promotion(), recipe.resolve_loop(experiment)
    judged = {name for name, one in recipe.benchmarks.items() if isinstance(one, JudgedSettings)}
    rankers: set[str] = set()
    for asset in assets:
        noun = asset.rpartition("/")[2]
        if noun in ("generations", "scores"):
            rankers |= {recipe.loop.ranker, loop.ranker}  # of one_shot, of the experiment
        elif noun in ("baseline_evaluation", "evaluation"):
            rankers |= {recipe.evaluation_reward, *recipe.evaluation.rewards}
        elif (
            (noun == "promotion" and promotion and promotion.metric == JUDGE_METRIC)
            or (noun == "preference_labels" and loop.feedback and loop.feedback.oracle == "judge")
            or (asset != noun and noun in judged)
        ):
            rankers.add("judge")
    settings = recipe.resolve_rankers()
    return {part for ranker in rankers for part in list_ranker_parts(settings, ranker)}


def check_software(recipe: Recipe) -> None:
    """Refuse a recipe if a package, a compiler or a tracker of its trainings is missing here.

    Raises:
        InputError: the first one that is missing.
    """
    require_trackers(recipe.report_to)
    loops = recipe.list_loops()
    for settings in (
        *([recipe.sft] if recipe.sft else []),
        *recipe.resolve_trained_rankers().values(),
        *(recipe.resolve_refresh(loop) for loop in loops if loop.feedback),
        *(loop.at_iteration(t).resolve_training() for loop in loops for t in (1, 2)),
    ):
        require_software(settings)
