"""The benchmark's contenders: each is a module that one process runs once and that prints one line of JSON.

`python -m train.bench` launches them, `python -m bench.scaling` measures cost against the size of a corpus.
"""
