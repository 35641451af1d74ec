"""When things happen: one table of jobs, run once per due time, caught up after an outage."""
