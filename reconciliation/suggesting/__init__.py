"""Suggestions: what money that nothing explains may belong to, ranked; nothing is ever matched."""
