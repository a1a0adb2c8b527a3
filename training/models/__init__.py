"""Model folders, rendering to token ids, and forward passes: logps, rewards, preferences.

Not here: training (the stages, `training.runs`), sampling (`training.engine`).
"""
