"""Sources: reading files, layouts, the catalogue of datasets, intake, the sample task.

Not here: steps on the prompts of all sources together (`transforms.prompts`).
"""
