"""Settings of `prefloop plan`: facts that the recipe's other settings do not contain."""
