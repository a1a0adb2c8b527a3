"""The command line `prefloop`, which runs the assets and queries the lake.

One command per file in `commands`.
"""
