"""Does the money we recorded equal the money that arrived? Evidence, matches, mismatches."""
