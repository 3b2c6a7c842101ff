"""The HTTP participant: a command becomes a request, the response becomes the reply."""
