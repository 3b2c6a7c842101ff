"""The pure core: what comes to a saga, what follows from it, and what the saga is then.

``decide`` turns one input into events, commands and an answer; ``evolve`` folds an event into the state. No clock, no
randomness, no I/O, no logging, no threads: time comes with the input, and whatever is computed from it is written into
the event, so that a fold of the same events gives the same state for ever.
"""
