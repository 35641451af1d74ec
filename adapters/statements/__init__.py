"""Bank statements and settlement reports, read exactly or refused clearly."""
