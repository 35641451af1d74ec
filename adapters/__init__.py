"""One module per outside party, translating its words into the ports of the domain."""
