"""The set of real failures: programs that fail, run in several deployments, and what they said."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.jsonl.gz"
DEPLOYMENTS = (
    "srv/shop",
    "app",
    "srv/shop/releases/20261103",
    "opt/shop/current",
    "home/deploy/shop",
    "usr/src/app",
    "Users/kim/shop/src",
)
"""Where the same programs lie; in each, the lines are shifted by another number."""
FAILURES_PER_CAUSE = 8
COMMANDS = {"python": (sys.executable, "run.py"), "node": ("node", "run.mjs")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One failure, as its worker would report it, and what truly caused it."""

    cause: str
    message: str
    stack: str

    @property
    def is_hard(self) -> bool:
        return self.cause.endswith("(hard)")


def load(*, hard: bool = False) -> list[Instance]:
    """The set that is kept in the repository, or the causes that nothing stored can tell apart."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        instances = [Instance(**json.loads(line)) for line in lines]
    return [instance for instance in instances if instance.is_hard == hard]


def save(instances: list[Instance]) -> None:
    text = "".join(json.dumps(asdict(instance)) + "\n" for instance in instances)
    CORPUS.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def make(language: str, failures: int = FAILURES_PER_CAUSE) -> Iterator[Instance]:
    """Run the programs of one language in every deployment; they take some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for number, deployment in enumerate(DEPLOYMENTS):
            place = Path(folder) / deployment
            place.mkdir(parents=True, exist_ok=True)
            _deploy(HERE / "programs" / language, place, number)
            done = subprocess.run(
                [*COMMANDS[language], str(1000 + number), str(failures)],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            for line in done.stdout.splitlines():
                yield _instance(language, line, folder)


def _deploy(programs: Path, place: Path, shift: int) -> None:
    for program in programs.iterdir():
        if program.is_file():
            shifted = "\n" * shift + program.read_text(encoding="utf-8")
            (place / program.name).write_text(shifted, encoding="utf-8")


def _instance(language: str, line: str, folder: str) -> Instance:
    """A failure as it would be if the deployments lay at the root, and Python in /usr/local."""
    told = json.loads(line)
    home = str(Path(sysconfig.get_path("stdlib")).parents[1])
    message, stack = (
        str(told[name]).replace(folder, "").replace(home, "/usr/local")
        for name in ("message", "stack")
    )
    return Instance(cause=f"{language}: {told['cause']}", message=message, stack=stack)
