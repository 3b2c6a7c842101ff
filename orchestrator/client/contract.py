"""What a saga takes and gives, for whoever starts it: from the author's definition, or from the deployed blueprint.

Between values and bytes only: nothing is sent or read here.
"""

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cache
from typing import Generic, TypeVar, cast

from orchestrator.blueprint.model import Blueprint, Json
from orchestrator.blueprint.values import Data, plain
from orchestrator.definition.conversion import from_data, to_data
from orchestrator.definition.decorator import AnySaga, SagaDefinition
from orchestrator.definition.messages import Rejection, answers_of, is_message
from orchestrator.definition.schema import avro_schema
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.body import AvroBody, decode_body

Input = TypeVar("Input")
Output = TypeVar("Output")
SchemaOf = Callable[[str], Json | None]


class Contract(Generic[Input, Output]):
    """A saga as its author defined it: values are the author's own."""

    def __init__(self, definition: SagaDefinition[Input, Output], schema_of: SchemaOf) -> None:
        """Raises what ``compile`` would raise of the input's and output's types."""
        self.name = definition.name
        self.input_codec = _codec_of(definition.input_type, self.name)
        self._input_type = definition.input_type
        self._output_type = definition.output_type
        self._output_codec = _codec_of_output(definition)
        self._rejections = tuple(_named_by(definition))
        self._schema_of = schema_of

    def input(self, value: Input) -> AvroBody:
        """The input as it is sent. Raises ``ConversionError``, a ValueError."""
        data = to_data(value, self._input_type, self.name)
        return AvroBody(self.input_codec.schema_id, self.input_codec.encode(data))

    def output(self, body: AvroBody | None) -> Output:
        """What the saga returned. Raises ``MessageRejected`` when a deployed version returns something else."""
        if self._output_codec is None:
            return cast("Output", None)
        data = decode_body(body, self._output_codec, self._schema_of)
        return cast("Output", from_data(data, self._output_type))

    def rejection(self, full_name: str, body: AvroBody | None) -> Rejection | None:
        """The rejection as its author's class: one that the saga's module names, or else one that is loaded at all."""
        return rejection_of(full_name, body, self._schema_of, (*self._rejections, *_loaded(Rejection)))


class UntypedContract:
    """A saga as it is deployed, for who has no definition at hand: JSON in, data of JSON out."""

    def __init__(self, blueprint: Blueprint, schema_of: SchemaOf) -> None:
        self.name = blueprint.name
        self.input_codec = codec_for(blueprint.schemas[blueprint.input])
        self._schema_of = schema_of

    def input(self, text: str) -> AvroBody:
        """The input as it is sent, of a JSON text. Raises ``MessageRejected`` for what its schema does not allow."""
        # What a shell hands over may be no UTF-8; escaped, it is refused with the place where it stands.
        data = self.input_codec.decode_json(text.encode(errors="backslashreplace"))
        return AvroBody(self.input_codec.schema_id, self.input_codec.encode(data))


class PlainReader:
    """Outcomes as data of JSON, whatever saga they are of."""

    def __init__(self, schema_of: SchemaOf) -> None:
        self._schema_of = schema_of

    def output(self, body: AvroBody | None) -> Json:
        """What the saga returned, with decimals and times as text."""
        return None if body is None else plain(self._data(body))

    def rejection(self, full_name: str, body: AvroBody | None) -> Exception | None:
        """The rejection's fields."""
        if body is None:
            return None
        return PlainRejection(full_name, plain(self._data(body)))

    def _data(self, body: AvroBody) -> Data:
        schema = self._schema_of(body.schema_id)
        if schema is None:
            raise MessageRejected("unknown_schema", f"expected the schema {body.schema_id} to be published, it is not")
        return codec_for(schema).decode(body.value)


class PlainRejection(Exception):
    """A rejection whose class is not known here."""

    def __init__(self, full_name: str, fields: Json) -> None:
        self.full_name = full_name
        self.fields = fields
        given = fields.items() if isinstance(fields, dict) else ()
        super().__init__(", ".join(f"{name}={value}" for name, value in given))


def _codec_of_output(definition: AnySaga) -> Codec | None:
    kind = definition.output_type
    return None if kind is None else _codec_of(kind, definition.name)


@cache
def _codec_of(kind: Hashable, namespace: str) -> Codec:
    return Codec(avro_schema(kind, namespace))


def rejection_of(
    full_name: str, body: AvroBody | None, schema_of: SchemaOf, kinds: Iterable[type[Rejection]]
) -> Rejection | None:
    """``body`` as the first of ``kinds`` that has the name and whose schema can read it; None when there is none."""
    namespace, _, name = full_name.rpartition(".")
    for kind in kinds:
        if kind.__name__ == name:
            try:
                codec = _codec_of(cast("Hashable", kind), namespace)
                return cast("Rejection", from_data(decode_body(body, codec, schema_of), kind))
            except (MessageRejected, ValueError, TypeError):  # another class of that name
                continue
    return None


def _named_by(definition: AnySaga) -> Iterator[type[Rejection]]:
    """The rejections in the saga's module, and those that the commands in it declare."""
    for value in list(vars(sys.modules[definition.__module__]).values()):
        if is_message(value):
            yield from answers_of(value).rejections
        elif isinstance(value, type) and issubclass(value, Rejection):
            yield value


def _loaded(kind: type[Rejection]) -> Iterator[type[Rejection]]:
    for derived in kind.__subclasses__():
        yield derived
        yield from _loaded(derived)
