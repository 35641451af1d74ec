"""Other people's packages as matchers of the same data, in an environment of their own."""
