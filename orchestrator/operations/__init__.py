"""How a running orchestrator is looked at and looked after: figures, health, and several processes under one roof.

``figures`` takes what the shards measure, ``report`` is what one process tells of itself, ``endpoint`` answers HTTP
with the reports of one or of many, ``supervisor`` runs the many, and ``child`` is one of them.
"""
