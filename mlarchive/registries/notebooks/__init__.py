"""The notebooks that made runs, and where they are had (`spec/notebooks.md`)."""
