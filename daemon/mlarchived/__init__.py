"""mlarchived: the service that keeps mirrors true. It imports mlarchive, never the other way."""
