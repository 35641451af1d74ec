"""How fast and how well, measured beside a floor and beside others; never part of a test."""
