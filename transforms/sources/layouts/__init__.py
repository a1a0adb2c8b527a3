"""Building blocks of dataset descriptions: messages, comparisons and rules from native rows.

Not here: single datasets (`transforms.sources.catalog`), applying a description to rows
(`transforms.sources.intake`).
"""
