"""Responses of an iteration and what ranks them: verdicts, penalties, pairs.

Not here: computing a reward (`training`), measuring a ranker (`transforms.measures`).
"""
