"""Figures as PNG bytes, for the asset page and for docs.

Not here: the statistics that are drawn.
"""
