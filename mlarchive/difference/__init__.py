"""What differs in meaning between two objects: records, fields, files, tensors, points of metrics.

Two objects are equal in content if their `content_id`s are, and equal in state likewise; what is
listed beside explains an inequality. Knows neither registries nor the command line.
"""
