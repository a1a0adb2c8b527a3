"""Responses of an iteration, verdicts on them, and the pairs that are made of them.

Not here: computing a reward (`training`), measuring a ranker (`transforms.measures`).
"""
