"""Memory between the stages of one process. Imports no torch.

accelerate and vLLM collect garbage several times a stage, to give a device its memory back. Each
time Python walks through every object that is alive, and the modules of torch, transformers, TRL
and vLLM are so many that one walk takes most of a second.
"""

import gc


def settle() -> None:
    """Free what a stage has left, and take what stays out of later collections.

    What is alive now, modules above all, is still freed when nothing refers to it, but no longer
    searched for cycles (`gc.freeze`). Call it between stages, when no model is loaded.
    """
    gc.collect()
    gc.freeze()
