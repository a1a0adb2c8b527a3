"""Commands of `prefloop`, one module a group; `assets.cli` puts them together."""
