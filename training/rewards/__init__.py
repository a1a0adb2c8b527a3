"""Rewards that the project does not train: Python functions, verifiers, models from elsewhere.

Not here: rewards of a Bradley-Terry model (`training.scoring`), settings
(`training.settings.rewards`), weighted sums (`transforms.pairs.score_components`).
"""
