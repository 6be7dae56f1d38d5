"""`python -m jupyter_mcp_ext.cli`, where the command `jupyter` is not on the path."""

from . import main

main()
