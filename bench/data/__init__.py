"""What is measured on: one module per kind of data, each made from a seed."""
