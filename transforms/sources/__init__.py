"""From files to standard rows: reading, layouts, the catalogue, intake, the sample task.

Not here: what is done to the prompts of all sources together (`transforms.prompts`).
"""
