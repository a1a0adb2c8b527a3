"""Commands of `prefloop`, one file each; `assets.cli.app` puts them together."""
