"""The participant SDK: a service that answers the commands of sagas. It must not know the orchestrator's inside."""
