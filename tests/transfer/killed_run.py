"""A run that is killed and resumed, again and again, and the same run left alone.

Run as ``python killed_run.py FOLDER SEED KILLS``; see test_checkpoint.py for 10 kills.
TensorFlow is imported once: each try is a fork of this process, which itself computes nothing. What
the tries came to is printed as JSON, with whether both runs have the same result; the status tells
it, too. The results are ``killed.npz`` and ``alone.npz`` in the folder.
"""

import json
import os
import signal
import struct
import sys
import time
import traceback
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np

import stylekit as sk
from stylekit.transfer.checkpoint import Checkpoint

STEPS_A_KILL = 30


def transfer():
    """A little network of its own, seeded."""
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu", name=name, kernel_initializer=start)
        for name, start in zip("ab", map(keras.initializers.HeNormal, (1, 2)), strict=True)
    ]
    network = sk.KerasExtractor(keras.Sequential([keras.Input((None, None, 3)), *layers]))
    rng = np.random.default_rng(3)
    content, style = rng.random((2, 24, 32, 3), np.float32)
    terms = [
        sk.ContentLoss(content, layers="b"),
        sk.GramStyleLoss(style, layers=("a", "b"), weight=8),
    ]
    return sk.StyleTransfer(terms, extractor=network)


def work(out, steps, pipe, checkpoint):
    """Run, tell each step's index, and write the result."""

    def tell(step):
        os.write(pipe, struct.pack("i", step.index))

    pyramid = sk.Pyramid([16, 32], [1, 6])
    result = transfer().run(
        sk.Noise(), steps, pyramid=pyramid, callbacks=[tell], checkpoint=checkpoint
    )
    losses = [list(row.values()) for row in result.losses]
    np.savez(out, image=result.image, best=result.best, losses=losses)


def fork(out, steps, checkpoint, prepare=lambda: None):
    """Begin a try; return the id of its process and the end of its pipe."""
    read, write = os.pipe()
    if process := os.fork():
        os.close(write)
        return process, read
    try:
        os.close(read)
        prepare()
        work(out, steps, write, checkpoint)
        os._exit(0)
    finally:  # only where it has failed
        traceback.print_exc()
        os._exit(1)


def dies_writing(moment):
    """Kill this process when it is about to write its `moment`-th array, or to replace a file."""
    count = 0

    def then(function):
        def wrapped(*arguments, **options):
            nonlocal count
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return wrapped

    np.lib.format.write_array = then(np.lib.format.write_array)
    os.replace = then(os.replace)


def indices(pipe, count=None):
    """Read the indices of `count` steps, or of all that there are until the process ends."""
    found = []
    while len(found) != count and (word := os.read(pipe, 4)):
        found.append(struct.unpack("i", word)[0])
    return found


def main(folder, seed, kills):
    rng = np.random.default_rng(seed)
    checkpoint = Checkpoint(folder / "run", every=3)
    steps = kills * STEPS_A_KILL
    codes, firsts, left = [], [], []
    for number in range(kills + 1):
        seen = []
        if number == kills:  # to the end
            process, pipe = fork(folder / "killed.npz", steps, checkpoint)
        elif number % 3 == 2:
            moment = int(rng.integers(1, 90))  # of about 25 a checkpoint
            process, pipe = fork("", steps, checkpoint, lambda moment=moment: dies_writing(moment))
        else:
            process, pipe = fork("", steps, checkpoint)
            seen = indices(pipe, int(rng.integers(0, 20)))
            time.sleep(rng.uniform(0, 0.02))
            os.kill(process, signal.SIGKILL)
        seen += indices(pipe)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        firsts += seen[:1]
        left.append(sorted(path.name for path in (folder / "run").glob("*")))
        os.close(pipe)
    process, pipe = fork(folder / "alone.npz", steps, None)
    indices(pipe)
    os.waitpid(process, 0)
    killed, alone = np.load(folder / "killed.npz"), np.load(folder / "alone.npz")
    same = all(np.array_equal(killed[name], alone[name]) for name in alone)
    told = {
        "same": same,
        "killed": codes.count(-signal.SIGKILL),
        "firsts": firsts,
        "left unfinished": sum(any(name.endswith(".tmp") for name in names) for names in left),
        "left locked": sum("checkpoint.lock" in names for names in left),
        "left at last": left[-1],
    }
    print(json.dumps(told))
    return same and codes == [-signal.SIGKILL] * kills + [0]


if __name__ == "__main__":
    sys.exit(not main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
