"""``@saga``: makes a definition of a typed function."""

import types
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, LiteralString, TypeVar, overload

from orchestrator.blueprint.model import Blueprint
from orchestrator.definition.compiler import Source, compile_saga, signature_of
from orchestrator.definition.policies import DEFAULT_RETRY, DEFAULT_TIMEOUT, DEFAULT_UNDO_RETRY, RetryPolicy
from orchestrator.definition.scope import Saga

Input = TypeVar("Input")
Output = TypeVar("Output")


class AnySaga:
    """Any saga's definition, whatever it takes and returns: what deploy and a list of sagas hold."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.__name__ = source.function.__name__
        self.__doc__ = source.function.__doc__
        self.__module__ = source.function.__module__

    @property
    def name(self) -> str:
        """What it is deployed and started as."""
        return self._source.name

    @property
    def function(self) -> types.FunctionType:
        """What the author wrote; it is called by compiling only."""
        return self._source.function

    @property
    def input_type(self) -> Any:  # noqa: ANN401  # a kind
        """The kind of its input; raises TypeError when the function does not declare one."""
        return signature_of(self._source.function).input

    @property
    def output_type(self) -> Any:  # noqa: ANN401  # a kind
        """The kind of its output, None for nothing; raises TypeError when the function does not declare one."""
        return signature_of(self._source.function).output

    def compile(self) -> Blueprint:
        """The blueprint; raises DefinitionError with every problem of the definition."""
        return compile_saga(self._source)

    def __repr__(self) -> str:
        return f"<saga {self.name}>"


class SagaDefinition(AnySaga, Generic[Input, Output]):
    """What ``@saga`` makes of a function: compile it, deploy it, start it."""


@overload
def saga(function: Callable[[Saga, Input], Output], /) -> SagaDefinition[Input, Output]: ...
@overload
def saga(
    *,
    name: LiteralString | None = None,
    retry: RetryPolicy = ...,
    timeout: timedelta = ...,
    undo_retry: RetryPolicy = ...,
) -> Callable[[Callable[[Saga, Input], Output]], SagaDefinition[Input, Output]]: ...
def saga(
    function: Callable[[Saga, Any], Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
    timeout: timedelta = DEFAULT_TIMEOUT,
    undo_retry: RetryPolicy = DEFAULT_UNDO_RETRY,
) -> object:
    """Make a saga of a typed function.

    ``retry`` and ``timeout`` (of one attempt) are the defaults of its steps, ``undo_retry`` is for every undo. The name
    is the function's unless ``name`` is given. Raises TypeError for what is no function.
    """

    def define(function: Callable[[Saga, Any], Any]) -> SagaDefinition[Any, Any]:
        if not isinstance(function, types.FunctionType):
            raise TypeError(f"@saga expects a function written with def, got {function!r}")
        return SagaDefinition(Source(function, name or function.__name__, retry, timeout, undo_retry))

    return define if function is None else define(function)
