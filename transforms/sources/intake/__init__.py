"""Intake of sources: from files to standard rows, with every dropped row in the ledger; mixtures.

Not here: descriptions of datasets (`transforms.sources.catalog`), rules for prompts
(`transforms.prompts`).
"""
