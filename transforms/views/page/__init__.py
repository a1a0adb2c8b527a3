"""One HTML page of one or several lakes: tables, figures, lineage. It opens without a network.

Not here: the statistics (`sql/reports`), the figures (`transforms.views.plots`).
"""
