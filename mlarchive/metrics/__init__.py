"""The metric histories of an object, point by point: read in blocks, summed up, written as tables.

Memory does not grow with the length of a history. Knows neither registries nor the command line.
"""
