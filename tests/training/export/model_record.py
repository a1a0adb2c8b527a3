"""The record of an exported model, as `transforms.views.model_facts` describes it."""

RECORD = {
    "study": "quickstart",
    "base_model": "org/base",
    "asset": "iteration_2/policy",
    "experiment": "iterative",
    "iteration": 2,
    "kind": "causal_lm",
    "checkpoint_id": "2fac4e5480",
    "steps": [],
    "results": [],
    "benchmarks": [],
    "labelled_pairs": [],
    "trainings": [],
    "rows": {},
}
