"""The command line `saga`: one command a file."""
