"""The kernel every other package stands on; it imports nothing of ours."""
