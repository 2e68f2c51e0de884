"""Laws are searched the same way every time, and a slow machine fails none of them."""

from hypothesis import settings

settings.register_profile("mlarchive", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("mlarchive")
