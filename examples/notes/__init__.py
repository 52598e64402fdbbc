"""What `release_notes.py` is told about commits, and how it shows what happens."""
