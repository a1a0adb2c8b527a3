"""Responses of an iteration and what ranks them: verdicts, penalties, best against worst of n.

Not here: computing a reward (`training`), measuring a ranker (`transforms.measures`).
"""
