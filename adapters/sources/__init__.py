"""Where statements come from, each a ``reconciliation.ports.StatementSource``."""
