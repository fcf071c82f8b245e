"""Speed, beside what people use today, and the losses that a refactoring must not move. Training imports none of it.

`python -m bench` measures training, answering and preparing; `python -m bench.scaling` measures cost against the size
of a corpus; `python -m bench.golden_losses` and `python -m bench.loss_compare` guard the numbers.

training/, answering/ and corpus/ hold what is measured: each module is a process that runs once and prints one line of
JSON. A new one is a module there and a line in contenders.py.
"""
