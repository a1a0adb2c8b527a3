"""Prompts of all sources together: near duplicates, contamination, splits, the map.

Not here: single sources (`transforms.sources`).
"""
