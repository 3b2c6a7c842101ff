"""The running loop of one shard, in the order of the data: intake, decide, append, relay; take-over and timers.

A shard has one owner, one database connection, one consumer, one producer, and one history: a chain of batches.
Everything here is stepped from outside and holds no thread; threads live in ``runner``.
"""
