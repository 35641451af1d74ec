"""Blind re-checks: people judge a sample of automatic matches without seeing what was chosen."""
