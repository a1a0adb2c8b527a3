"""One HTML page that tells what lakes hold: tables, figures, lineage. It opens without a network.

Not here: the statistics (`sql/reports`), the figures (`transforms.views.plots`).
"""
