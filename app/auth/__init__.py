"""Who is asking: staff accounts, sessions, passwords, scope."""
