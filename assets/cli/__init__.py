"""The command line `prefloop`: it runs the assets and queries the lake.

One command per file in `commands`.
"""
