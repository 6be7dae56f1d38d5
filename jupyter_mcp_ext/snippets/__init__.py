"""Code that is run in kernels, a file for each language."""
