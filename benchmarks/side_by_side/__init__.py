"""This server and its rival, each on a JupyterLab of its own, at the same work in turn."""
