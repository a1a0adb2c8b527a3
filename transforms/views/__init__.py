"""Output for people: SQL over the lake, figures, the HTML page of a lake, lineage.

Not here: statistics (`transforms.measures`).
"""
