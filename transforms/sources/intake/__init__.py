"""From files to standard rows, with every dropped row in the ledger; mixtures of sources.

Not here: descriptions of datasets (`transforms.sources.catalog`), rules for prompts
(`transforms.prompts`).
"""
