"""Figures for Dagster's asset pages, for the HTML page and for docs.

A function `plot_...` returns a matplotlib figure, a function `render_...` PNG bytes. Not here: the
statistics.
"""
