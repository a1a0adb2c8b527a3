"""Building blocks of dataset descriptions: messages, comparisons and rules from native rows.

Not here: single datasets (`transforms.sources.catalog`), running a description
(`transforms.sources.intake`).
"""
