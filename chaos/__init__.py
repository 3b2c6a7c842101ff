"""`make chaos`: transfers while servers and processes are killed, paused and cut off, and everything is counted."""
