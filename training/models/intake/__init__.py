"""What a given model brings: its file or hub id, its pad token, and its chat template."""
