"""Double-entry, append-only books: a chart of accounts, transfers, balances."""
