"""Models of the lake as folders and files for other programs: transformers, vLLM, llama.cpp."""
