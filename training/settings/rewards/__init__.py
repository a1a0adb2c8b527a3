"""Settings of rewards that a recipe brings, and the files of their functions. Imports no torch."""
