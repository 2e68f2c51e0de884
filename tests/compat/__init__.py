"""What others read or wrote, and what mlarchive makes of it."""
