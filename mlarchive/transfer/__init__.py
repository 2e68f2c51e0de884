"""Between two sides that do not talk to each other: what one has, what it lacks, what was sent."""
