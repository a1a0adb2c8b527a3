"""Statistics of policies and rankers with their standard errors, and of length bias.

Not here: figures (`transforms.views.plots`), tables for reading (`sql/reports`).
"""
