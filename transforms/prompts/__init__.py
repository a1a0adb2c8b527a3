"""Prompts of all sources together: near duplicates, contamination, splits, the map.

Not here: what a single source decides (`transforms.sources.catalog`).
"""
