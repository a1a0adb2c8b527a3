"""Training, sampling and scoring of models: one stage is one file, a function and a command.

The command is `python -m training.<stage>`. Knows no Dagster. `training.settings` and
`training.recipe` import without torch.
"""

import os

# OpenMP's threads spin while they wait, which starves vLLM's own threads where cores are few or
# shared: measured 500-800 tokens/s spinning against 7,000-8,000 passive on two cores. Torch reads
# the variable when it is first imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
