"""The JSON API of the one-stop portal and the endpoints that channels call."""
