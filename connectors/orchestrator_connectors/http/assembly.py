"""The participant of a configuration: checked against what is deployed before the first request."""

from collections.abc import Mapping

from orchestrator.errors import ConfigError
from orchestrator.participant.participant import Participant
from orchestrator_connectors.http.configuration import HttpConfiguration
from orchestrator_connectors.http.contract import CommandContract
from orchestrator_connectors.http.exchange import HttpExchange
from orchestrator_connectors.http.mistakes import Mistakes
from orchestrator_connectors.http.sender import HttpSender


def participant_of(
    configuration: HttpConfiguration, contracts: Mapping[str, CommandContract], sender: HttpSender
) -> Participant[None]:
    """A participant without inbox that answers with the server's answers.

    ``contracts`` is what the deployed sagas send to it. Raises ``ConfigError`` with all that does not fit to them; that
    a command has no rule is for ``unanswered`` to tell, and for the participant when it starts.
    """
    mistakes = Mistakes()
    made = Participant(configuration.participant)
    for rule in configuration.commands:
        contract = contracts.get(rule.name)
        with mistakes.noted():
            if contract is None:
                known = ", ".join(contracts) or "nothing"
                raise ConfigError(
                    f"expected a command that a deployed saga sends to {configuration.participant} ({known}), got "
                    f"[[command]] {rule.name}: deploy the saga first (saga deploy FILE --create-topics)"
                )
            made.answers(HttpExchange(rule, contract, configuration, sender))
    mistakes.told()
    return made


def unanswered(configuration: HttpConfiguration, contracts: Mapping[str, CommandContract]) -> list[str]:
    """The commands of sagas that start now, and that no rule is for."""
    ruled = {rule.name for rule in configuration.commands}
    return sorted(name for name, contract in contracts.items() if contract.active and name not in ruled)
