"""Statistics of policies, rankers and length bias, with their standard errors.

Not here: figures (`transforms.views.plots`), report tables (`sql/reports`).
"""
