"""Model folders, chat templates, and forward passes: log-probabilities, rewards, preferences.

Not here: training (the stages, `training.runs`), sampling (`training.engine`).
"""
