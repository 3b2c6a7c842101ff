from collections import Counter

from bench.profiler import components, functions, report

ROOT = "/code/main/orchestrator"
LOOP = f"Loop.step (orchestrator/shard/loop.py:101);Decider.decide ({ROOT}/shard/decider.py:73)"
STACKS = [
    f"Thread.run (/usr/lib/python3.11/threading.py:982);{LOOP};encode ({ROOT}/engine/events.py:347) 30",
    f"{LOOP};encode ({ROOT}/engine/events.py:347);JSONEncoder.encode (/usr/lib/python3.11/json/encoder.py:200) 10",
    f"{LOOP} 40",
    f"KafkaProducer.produce ({ROOT}/broker/producer.py:75);KafkaProducer._put ({ROOT}/broker/producer.py:88) 15",
    "main (elsewhere.py:1) 5",
]


def test_a_sample_counts_for_the_innermost_component_on_its_stack() -> None:
    assert components(STACKS) == {
        "events: canonical JSON": 40,
        "decider, the rest": 40,
        "relay: produce": 15,
        "main (elsewhere.py:1)": 5,
    }


def test_functions_are_those_that_ran_themselves() -> None:
    assert functions(STACKS) == {
        "encode (orchestrator/engine/events.py)": 30,
        "encode (/usr/lib/python3.11/json/encoder.py)": 10,
        "decide (orchestrator/shard/decider.py)": 40,
        "_put (orchestrator/broker/producer.py)": 15,
        "main (elsewhere.py)": 5,
    }


def test_a_report_has_parts_of_all_samples_and_the_threads_by_their_time() -> None:
    said = report(STACKS, Counter({"shard-0": 1200, "relay": 300}), 2.0).splitlines()

    assert said[0] == "     ms  processor time of threads, in 2.0 s"
    assert said[1:3] == ["   1200  shard-0", "    300  relay"]
    assert "the interpreter lock was held in 100 samples: 20%" in said
    assert "  40.0%  events: canonical JSON" in said
    assert "   5.0%  main (elsewhere.py)" in said
