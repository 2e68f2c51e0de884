"""Measurements of the format against other tools, each pair in one run (`python -m bench`)."""
