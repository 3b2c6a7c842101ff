"""Commands, queries and rejections of one saga as its blueprint has them, and the schemas of all that crosses Kafka."""

from typing import Final, cast
from uuid import UUID

from orchestrator.blueprint.avro import schema_id
from orchestrator.blueprint.ids import fault_of_name
from orchestrator.blueprint.model import Answer, Expression, Json, Message
from orchestrator.definition.bodies import Bodies
from orchestrator.definition.kinds import Kind, bare, fields_of, is_key, is_record, name_of
from orchestrator.definition.messages import Answers, Rejection, answers_of, full_name
from orchestrator.definition.schema import UnsupportedType, avro_schema, class_place, fault_of_namespace
from orchestrator.definition.trace import Place, Trace

_KEYS: Final = (str, int, UUID)


class Exchanges:
    """Makes the blueprint's messages of the author's, and collects their schemas."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._classes: dict[str, type] = {}
        self.schemas: dict[str, Json] = {}
        """Schema id -> canonical schema."""

    def schema_of(self, kind: Kind, namespace: str, at: Place | None = None) -> str:
        """The id of a kind's schema; what no message can hold is reported, at its class or ``at``."""
        self._claim(kind, namespace)
        try:
            schema = avro_schema(kind, namespace)
        except UnsupportedType as error:
            for problem in error.problems:
                place = Place(problem.file, problem.line)
                self._trace.report(problem.text, place if place.line else at)
            return ""
        identity = schema_id(schema)
        self.schemas[identity] = schema
        return identity

    def answers(self, message: type) -> Answers | None:
        """Who answers a command or query, and with what; None when its class does not say, which is reported."""
        try:
            answers = answers_of(message)
        except TypeError as error:
            self._trace.report(str(error), class_place(message))
            return None
        fault = fault_of_name(answers.participant) or fault_of_namespace(answers.participant)
        if fault:
            text = f'{message.__name__}: to="{answers.participant}" cannot name a participant: {fault}'
            self._trace.report(text, class_place(message))
        return answers

    def message(self, message: object) -> Message | None:
        """A command or query as the blueprint sends it."""
        kind = type(message)
        answers = self.answers(kind)
        if answers is None:
            return None
        participant = answers.participant
        body = Bodies(self._trace, participant).message(message)
        reply = None if answers.reply is None else self.schema_of(answers.reply, participant, class_place(kind))
        return Message(
            type=full_name(kind),
            participant=participant,
            schema=self.schema_of(kind, participant),
            body=body,
            key=self._key(kind, body),
            reply=reply,
            rejections={full_name(each, participant): self.schema_of(each, participant) for each in answers.rejections},
        )

    def answer(self, rejection: Rejection) -> Answer:
        """The rejection with which this saga itself ends."""
        kind = type(rejection)
        return Answer(
            type=full_name(kind, self._trace.saga),
            schema=self.schema_of(kind, self._trace.saga),
            body=Bodies(self._trace, self._trace.saga).message(rejection),
        )

    def _claim(self, kind: Kind, namespace: str) -> None:
        """A name on the wire is one class's alone."""
        plain = bare(kind)
        if not is_record(plain):
            return
        known = self._classes.setdefault(full_name(plain, namespace), plain)
        if known is not plain:
            text = (
                f"{full_name(plain, namespace)} is the name of two classes, here and in {known.__module__}: rename one"
            )
            self._trace.report(text, class_place(plain))

    def _key(self, kind: type, body: Expression) -> Expression | None:
        try:
            marked = {name: bare(hint) for name, hint in fields_of(kind).items() if is_key(hint)}
        except NameError:  # reported with the schema
            return None
        if not marked:
            return None
        (name, field), *others = marked.items()
        if others:
            self._trace.report(
                f"{kind.__name__} has two fields marked Key: one is the partition key", class_place(kind)
            )
        if field not in _KEYS:
            text = f"{kind.__name__}.{name} is Key[{name_of(field)}]: a key is a str, an int or a UUID"
            self._trace.report(text, class_place(kind))
        tree = cast("Expression", cast("dict[str, Json]", body["fields"])[name])
        return tree if field is str else {"op": "text", "parts": [tree]}
