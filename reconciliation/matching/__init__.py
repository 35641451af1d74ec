"""The matcher: a pure function from frames of payments, settlements and bank lines to decisions."""
