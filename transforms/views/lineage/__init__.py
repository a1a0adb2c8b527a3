"""Lineage of models, responses and pairs, and its export as OpenLineage events."""
