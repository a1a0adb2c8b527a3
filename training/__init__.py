"""Training, sampling and scoring of models: each stage is a file with a function and a command.

The command is `python -m training.<stage>`. No Dagster here. `training.settings` and
`training.recipe` import no torch.
"""

import os

# OpenMP's threads spin while they wait, so that vLLM's own threads get too little time when cores
# are few or shared: 500-800 tokens/s with spinning, 7,000-8,000 without, measured on two cores.
# Torch reads the variable at its first import, so it is set here.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
