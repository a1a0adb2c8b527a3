"""Commands of `prefloop`, one module a group; `assets.cli.app` puts them together."""
