"""Code that runs inside the sandbox: a program's process and its tests' process.

The sandbox shows only this folder and the standard library, so these modules import nothing else.
"""
