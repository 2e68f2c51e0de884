"""Neptune's runs, models and model versions, from wherever they are still to be had.

`objects.py` says what an object of Neptune is to all sources; `snapshots.py` makes records of it
(`spec/fields.md`, `spec/mapping-neptune.md`). Nothing here imports the package `neptune` before a
live server is opened.
"""
