"""Checks of the local models that a recipe names, before anything runs.

Not here: the checks (`training.models.initial_model`, `training.judging.local_judge`). The asset
`initial_model` repeats them, and checks a model from the hub, too.
"""

from pathlib import Path

from training.recipe import Recipe


def check_local_models(recipe: Recipe) -> None:
    """Refuse a local initial model or judge that a later step would refuse; no weights are loaded.

    Raises:
        InputError: the first fault of a model's folder, or token limits larger than its context.
    """
    if recipe.model.path and Path(recipe.model.path).is_dir():
        # Imported here, because a recipe without local models is checked without transformers.
        from training.models.initial_model import read_initial_tokenizer
        from training.models.weights import read_context_tokens, require_causal_weights

        recipe.require_context(read_context_tokens(recipe.model.path))
        read_initial_tokenizer(recipe.model)
        require_causal_weights(recipe.model.path)
    if recipe.judge and recipe.judge.path and Path(recipe.judge.path).is_dir():
        from training.judging.local_judge import check_judge_folder

        check_judge_folder(Path(recipe.judge.path), recipe.judge)
