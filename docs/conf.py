"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

project = "jupyter_mcp_ext"
author = "jupyter_mcp_ext contributors"
copyright = author
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {"navbar_center": [], "show_prev_next": False, "show_toc_level": 2}
html_sidebars = {"**": ["pages.html"]}
html_show_sourcelink = False

# Links to headings, written as on code hosts: [words](page.md#the-heading).
myst_heading_anchors = 3
