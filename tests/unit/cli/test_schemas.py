"""`saga schemas`: every message of a file's sagas, as files that other languages read."""

import json
from pathlib import Path

import fastavro
import pytest

from orchestrator.blueprint.avro import schema_id
from orchestrator.cli.main import main
from orchestrator.exit_code import ExitCode

pytestmark = pytest.mark.slow  # each compiles a file, in processes of their own

SAGA = """
from decimal import Decimal

from orchestrator import Command, Query, Record, Rejection, Saga, saga


class Order(Record):
    item: str
    price: Decimal


class Receipt(Record):
    number: int


class Voucher(Record):
    code: str


class SoldOut(Rejection):
    item: str


class TooDear(Rejection):
    limit: Decimal


class Reserve(Command[Receipt | Voucher, SoldOut], to="shop"):
    item: str


class Release(Command[None], to="shop"):
    item: str


class Limit(Query[Decimal], to="shop"):
    item: str


@saga
def order(s: Saga, order: Order) -> None:
    limit = s.query("limit", Limit(item=order.item))
    s.require(order.price <= limit, TooDear(limit=limit))
    s.step("reserve", Reserve(item=order.item), undo=Release(item=order.item))
"""
NAMES = [
    "order.Order",
    "order.TooDear",
    "shop.Limit",
    "shop.Limit.reply",
    "shop.Release",
    "shop.Reserve",
    "shop.Reserve.reply",
    "shop.SoldOut",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SAGA)
    return path


def test_each_message_is_a_file_that_avro_reads(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = file.parent / "made" / "schemas"
    assert main(["schemas", str(file), "--out", str(folder)]) == ExitCode.OK
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.avsc" for name in NAMES]
    assert capsys.readouterr().out.splitlines() == [str(folder / f"{name}.avsc") for name in NAMES]
    for path in folder.iterdir():
        fastavro.parse_schema(json.loads(path.read_text()))


def test_the_list_has_the_id_of_each_schema(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", str(file), "--json"]) == ExitCode.OK
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == NAMES
    assert [each["schema_id"] for each in listed] == [schema_id(each["schema"]) for each in listed]
    assert main(["schemas", f"{file}:order"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["message", *NAMES]
    assert "input of order" in lines[1]
    assert "rejection of shop.Reserve" in lines[-1]


def test_a_folder_that_cannot_be_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", str(file), "--out", str(file)]) == ExitCode.USAGE
    assert "choose another --out" in capsys.readouterr().err


def test_two_schemas_of_one_name_need_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "first.py").write_text(SAGA)
    (tmp_path / "second.py").write_text(SAGA.replace("item: str", "item: int").replace("def order", "def second"))
    both = tmp_path / "both.py"
    both.write_text("from first import order\nfrom second import second\n")
    assert main(["schemas", str(both), "--out", str(tmp_path)]) == ExitCode.USAGE
    assert "expected one schema of shop.Limit" in capsys.readouterr().err
