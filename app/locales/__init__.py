"""The catalogues of all languages, and what gathers their messages from the source."""
