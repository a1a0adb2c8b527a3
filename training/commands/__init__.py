"""The commands of the stages, `python -m training.<stage>`; one module per stage, with `main`.

A command imports its stage inside `main`, so that `--help` and a wrong option do not wait for
torch. Not here: running a command, and options of several (`training.runs.command_line`).
"""
