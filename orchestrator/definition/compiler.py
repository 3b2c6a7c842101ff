"""From a traced function to a blueprint: runs the function once, gathers every problem, or gives the compiled saga."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from orchestrator.blueprint.canonical import FORMAT, hash_of
from orchestrator.blueprint.ids import fault_of_name
from orchestrator.blueprint.model import Blueprint, Expression
from orchestrator.definition import syntax
from orchestrator.definition.bodies import Bodies
from orchestrator.definition.guard import Guard, project_of, watch
from orchestrator.definition.kinds import Kind, NoneType, bare, is_record, with_article
from orchestrator.definition.meaning import Meaning
from orchestrator.definition.messages import Rejection
from orchestrator.definition.policies import (
    DEFAULT_RETRY,
    DEFAULT_TIMEOUT,
    RetryPolicy,
    milliseconds,
    retry_of,
)
from orchestrator.definition.schema import fault_of_namespace
from orchestrator.definition.scope import Saga
from orchestrator.definition.trace import Ended, Place, Trace, activate
from orchestrator.definition.traced import Traced, is_traced, meaning_of
from orchestrator.definition.tracer import Tracer
from orchestrator.errors import DefinitionError


class Source:
    """A saga as its author wrote it, and what ``@saga`` was given; nothing of it is checked yet."""

    def __init__(
        self, function: types.FunctionType, name: str, retry: RetryPolicy, timeout: timedelta, undo_retry: RetryPolicy
    ) -> None:
        self.function = function
        self.name = name
        self.retry, self.timeout, self.undo_retry = retry, timeout, undo_retry


@dataclass(frozen=True, slots=True)
class Signature:
    """The input and output of a saga's function."""

    input_name: str
    input: Kind
    output: Kind
    """None: it returns nothing."""


class SignatureFault(TypeError):
    """A function that cannot be a saga's."""


def signature_of(function: types.FunctionType) -> Signature:
    """The names and kinds that a saga's function declares; raises SignatureFault."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise SignatureFault(f"an annotation names what its module does not have: {error}") from error
    names = list(inspect.signature(function).parameters)
    if len(names) != 2 or not {names[1], "return"} <= hints.keys():  # noqa: PLR2004  # s and the input
        raise SignatureFault(f"expected def {function.__name__}(s: Saga, input: Input) -> Output, with all three types")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise SignatureFault("`async def` or `yield`: a saga is compiled, not awaited or driven: write a plain def")
    if not is_record(bare(hints[names[1]])):
        raise SignatureFault(f"the input is {with_article(hints[names[1]])}, expected a Record or a frozen dataclass")
    output = hints["return"]
    return Signature(names[1], hints[names[1]], None if output is NoneType else output)


def compile_saga(source: Source) -> Blueprint:
    """The blueprint of a saga; raises DefinitionError with every problem of its definition.

    Runs in a thread of its own: the profile hook belongs to a thread, so a profiler or debugger of the caller stays
    as it is.
    """
    with ThreadPoolExecutor(1, "compile") as thread:
        return thread.submit(_compile, source).result()


def _compile(source: Source) -> Blueprint:
    trace = Trace(source.name, "input", project_of(source.function))
    place = syntax.defined_at(source.function)
    retry, timeout = _checked(source, trace, place)
    try:
        signature = signature_of(source.function)
    except SignatureFault as fault:
        trace.report(str(fault), place)
        raise DefinitionError(source.name, trace.problems) from None
    trace.input_name = signature.input_name
    given = Traced(Meaning({"op": "input"}, signature.input, trace))
    tracer = Tracer(trace, given, retry, timeout)
    with _Tracing(trace, source.function) as tracing:
        output = tracing.run(lambda: source.function(Saga(tracer), given))
        result = _result(output, signature.output, trace, tracing.returned_at or place)
        input_schema = tracer.exchanges.schema_of(signature.input, source.name, place)
        output_schema = None
        if signature.output is not None:
            output_schema = tracer.exchanges.schema_of(signature.output, source.name, place)
    if trace.problems:
        raise DefinitionError(source.name, trace.problems)
    blueprint = Blueprint(
        format=FORMAT,
        name=source.name,
        input=input_schema,
        output=output_schema,
        result=result,
        nodes=tuple(tracer.nodes),
        undo_retry=retry_of(source.undo_retry),
        schemas=tracer.exchanges.schemas,
        hash="",
    )
    return dataclasses.replace(blueprint, hash=hash_of(blueprint))


def _checked(source: Source, trace: Trace, place: Place) -> tuple[RetryPolicy, timedelta]:
    """Retry and timeout of its steps as ``@saga(…)`` was given them; what cannot be is told here, and not by each step.

    Reports all that ``@saga(…)`` was given wrongly.
    """
    fault = fault_of_name(source.name) or fault_of_namespace(source.name)
    if fault:
        trace.report(f'"{source.name}" cannot name a saga: {fault}', place)
    policies = {"retry": source.retry, "undo_retry": source.undo_retry}
    wrong = [option for option, policy in policies.items() if type(policy) is not RetryPolicy]
    for option in wrong:
        trace.report(f"@saga({option}=…) is a RetryPolicy(…), got {policies[option]!r}", place)
    timeout = source.timeout
    try:
        milliseconds("@saga(timeout=…)", timeout)
    except (TypeError, ValueError) as error:
        trace.report(str(error), place)
        timeout = DEFAULT_TIMEOUT
    return DEFAULT_RETRY if "retry" in wrong else source.retry, timeout


class _Nothing:
    """The output of a function that was left before it returned."""


def _result(output: object, declared: Kind, trace: Trace, place: Place) -> Expression | None:
    """What the saga returns, as its schema takes it."""
    if output is _Nothing:
        return None
    if declared is None:
        if output is not None and not (is_traced(output) and meaning_of(output).is_anything):
            kind = meaning_of(output).kind if is_traced(output) else type(output)
            trace.report(f"returns {with_article(kind)}, declared None", place)
        return None
    return Bodies(trace, trace.saga).value(output, declared, "the saga's result", place)


class _Tracing:
    """The time in which the author's function runs and is watched."""

    def __init__(self, trace: Trace, function: types.FunctionType) -> None:
        self._trace = trace
        self._function = function
        self.returned_at: Place | None = None

    def __enter__(self) -> Self:
        activate(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        activate(None)

    def run(self, call: Callable[[], object]) -> object:
        """Call the function; every exception of the author's becomes a problem, unless one on its line explains it."""
        guard = Guard(self._trace, self._function.__code__)
        self._trace.on_touch = guard.check
        watch(guard)
        try:
            output = call()
            self.returned_at = guard.returned_at
            return output
        except Ended:
            return _Nothing
        except Exception as error:  # noqa: BLE001  # the author's code may raise anything, and all of it is a problem
            watch(None)
            self._explain(error)
            return _Nothing
        finally:
            watch(None)

    def _explain(self, error: Exception) -> None:
        place = self._place_of(error)
        if self._trace.has_problem_at(place):
            return  # its consequence
        if isinstance(error, TypeError):
            text = f"Python could not do this with a traced value: {error}"
        elif isinstance(error, Rejection):
            text = f"{type(error).__name__} was raised while compiling: write s.fail(…)"
        else:
            text = f"Python raised {type(error).__name__} while compiling: {error}"
        self._trace.report(text, place)

    def _place_of(self, error: Exception) -> Place:
        place = syntax.defined_at(self._function)
        traceback = error.__traceback__
        while traceback is not None:
            filename = traceback.tb_frame.f_code.co_filename
            if self._trace.is_authors(filename):
                place = Place(filename, traceback.tb_lineno)
            traceback = traceback.tb_next
        return place
