"""Files under coverage-guided fuzzing: libFuzzer by way of atheris (``pip install atheris``).

    python Tests/fuzz/files_atheris.py WORK [-max_total_time=3600 and libFuzzer's other options]

WORK keeps what was found to reach new code. Half of the mutations are those of trees (``files_target.py``), the others
libFuzzer's own. The run ends at the first file that crashes, hangs, asks for more than 1 GiB, raises anything but
ValueError, or is read otherwise than by safetensors; the file is kept.
"""

import importlib
import random
import sys
from pathlib import Path

import atheris

# What reads files is imported once more, to be watched; all else is not, and stays as fast as it is.
for name in ("safetensors.numpy", "sklearn.pipeline", "seriatim.models", "seriatim.persistence"):
    importlib.import_module(name)
for name in [one for one in sys.modules if one.startswith(("seriatim.persistence", "seriatim._files"))]:
    del sys.modules[name]
with atheris.instrument_imports():
    importlib.import_module("seriatim.persistence")
from files_target import Target, mutated, seeds, without_checksum  # noqa: E402

HERE = Path(__file__).parent
corpus = seeds(HERE / "files_corpus")


def mutator(content, max_size, seed):
    """Return a mutation, half of them of trees."""
    rng = random.Random(seed)
    if seed % 2:
        content = mutated(content, rng, rng.choice(corpus))
    else:
        content = atheris.Mutate(content, max_size)
        if seed % 4:
            content = without_checksum(content)
    return content[:max_size]


def main():
    """Run until something is found, or the time is over."""
    work = Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(corpus):
        (work / f"seed{number}").write_bytes(content)
    options = [
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-malloc_limit_mb=1024",
        "-max_len=20000",
        f"-artifact_prefix={work}-",
    ]
    target = Target()
    for content in corpus:
        # What is imported for the first file of a kind is none of its time.
        target(content)
    atheris.Setup([sys.argv[0], str(work), *options, *sys.argv[2:]], target, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
