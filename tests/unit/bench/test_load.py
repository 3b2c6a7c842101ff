from bench.bank import CLOSED
from bench.load import Served, transfer


def test_every_tenth_transfer_goes_to_a_closed_account() -> None:
    closed = [number for number in range(1, 101) if transfer(number).target.startswith(CLOSED)]

    assert closed == list(range(10, 101, 10))


def test_quantiles_are_of_all_latencies() -> None:
    served = Served(seconds=2.0, latencies_ms=[float(value) for value in range(1, 101)], compensated=0)

    assert served.per_second == 50
    assert (served.quantile_ms(0.5), served.quantile_ms(0.99), served.quantile_ms(1.0)) == (51.0, 100.0, 100.0)
