"""The words that describe a dataset: how native rows become messages, comparisons and rules.

Not here: single datasets (`transforms.sources.catalog`), running a description
(`transforms.sources.intake`).
"""
