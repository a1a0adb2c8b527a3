"""The command line of a stage: its options, and running its command. Imports no torch."""
