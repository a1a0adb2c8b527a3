"""Commands of `prefloop`, one file each; `assets.cli.app` lists them."""
