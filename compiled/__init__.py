"""The hot path as C: what a saga passes through, compiled by mypyc when a wheel is built with SAGA_COMPILE=1.

Nothing needs it: without the variable the wheel is plain Python. ``modules`` has the list, ``constructors`` what is
changed before compiling, ``python -m compiled`` calls the compiler, ``hook`` puts what comes of it into the wheel.
"""
