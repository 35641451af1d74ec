"""The demonstration: an invented city whose fee days are played on a moved clock."""
