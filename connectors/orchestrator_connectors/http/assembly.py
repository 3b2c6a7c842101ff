"""The participant of a configuration: checked against what is deployed before the first request."""

from collections.abc import Mapping

from orchestrator.errors import ConfigError
from orchestrator.participant.participant import Participant
from orchestrator.telemetry import logger
from orchestrator_connectors.http.configuration import HttpConfiguration
from orchestrator_connectors.http.contract import CommandContract
from orchestrator_connectors.http.exchange import HttpExchange
from orchestrator_connectors.http.sender import HttpSender

_log = logger("http")


def participant_of(
    configuration: HttpConfiguration, contracts: Mapping[str, CommandContract], sender: HttpSender
) -> Participant[None]:
    """A participant without inbox that answers with the server's answers.

    ``contracts`` is what the deployed sagas send to it. Raises ``ConfigError`` for what does not fit to them; a command
    that has no rule is only warned of, for the sagas that send it may all be over.
    """
    made = Participant(configuration.participant)
    for rule in configuration.commands:
        contract = contracts.get(rule.name)
        if contract is None:
            known = ", ".join(contracts) or "nothing"
            raise ConfigError(
                f"expected a command that a deployed saga sends to {configuration.participant} ({known}), got "
                f"[[command]] {rule.name}: deploy the saga first (saga deploy FILE --create-topics)"
            )
        made.answers(HttpExchange(rule, contract, configuration.url, sender))
    for name in sorted(contracts.keys() - {rule.name for rule in configuration.commands}):
        _log.warning("a deployed saga sends a command that has no [[command]]: it will fail", command=name)
    return made
