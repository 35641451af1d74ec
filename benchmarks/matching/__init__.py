"""The matcher measured: labelled worlds of any size, a grader, the floor, peers and the clock."""
