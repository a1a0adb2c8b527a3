"""The Dagster resource of assets: the lake, whose folder differs between machines."""

import dagster as dg

from transforms.lake.lake import Lake


class LakeResource(dg.ConfigurableResource):
    """The lake of a study: its tables and checkpoints."""

    root: str
    """Folder of the lake, or its address in an object store; created at the first write."""

    def open(self) -> Lake:
        """Open the lake."""
        return Lake(self.root)
