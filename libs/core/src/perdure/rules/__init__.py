"""The rules: pure functions from what is known to what happens next."""
