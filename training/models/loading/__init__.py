"""Loading of model folders: configs, weights, and the GPUs of a model."""
