"""The hot path as C: the modules a saga passes through, compiled by mypyc out of a copy of the sources.

Nothing needs it: the package runs as plain Python, without a compiler. ``make bench-compiled`` makes it and measures.
"""
