"""A run of a study on the command line: its origin, progress, checks and result.

Not here: the command's options (`assets.cli.commands.run`), the assets.
"""
