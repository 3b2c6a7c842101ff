"""Recovery: the journal proved, a database brought to its end, and a living one compared with it.

``proof`` proves the chain of one shard's journal; ``fold`` makes rows of what is proven; ``course`` says what a shard
needs; ``recovery`` does it for a whole namespace: fence, read, load, own, ready. ``chronicle`` tells one saga.
"""
