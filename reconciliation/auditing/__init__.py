"""Packages for auditors: the books of a range of days in the formats of the tools they trust."""
