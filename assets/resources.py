"""Dagster resources: the places that differ between machines."""

import dagster as dg

from transforms.lake.lake import Lake


class LakeResource(dg.ConfigurableResource):
    """Where tables and checkpoints lie."""

    root: str
    """Folder of the lake; created at the first write."""

    def open(self) -> Lake:
        """Open the lake."""
        return Lake(self.root)
