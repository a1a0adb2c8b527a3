"""The shell of `prefloop sql`: its loop and commands, display of rows, completion, schemas."""
