"""A recipe: the keys of one study, checked against each other before anything runs.

One room per noun, each a class that extends the one before it: all keys (`keys`), sources
(`sources`), rankers (`rankers`), experiments (`experiments`), and the whole `Recipe` with its
measurements (`recipe`). Not here: the groups of settings and their bounds (`transforms.settings`,
`training.settings`), the YAML file (`training.recipe_file`). Imports no torch.
"""

from training.recipe.recipe import Recipe

__all__ = ["Recipe"]
