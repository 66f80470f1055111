"""``python -m tests.fingerprints``: how well fingerprints tell the causes of the set apart.

``python -m tests.fingerprints make`` runs the programs again and writes a new set (needs Node.js).
"""

from __future__ import annotations

import sys

from tests.fingerprints.corpus import COMMANDS, load, make, save
from tests.fingerprints.scoring import Grouping, by_fingerprint, by_message, by_words, score

ROWS: dict[str, tuple[Grouping, bool]] = {
    "fingerprint": (by_fingerprint, False),
    "fingerprint, no stack trace kept": (by_message, False),
    "type and message as they are": (by_words, False),
    "fingerprint, the hard causes": (by_fingerprint, True),
}
MOST_SHOWN = 8


def main() -> None:
    if sys.argv[1:] == ["make"]:
        save([instance for language in COMMANDS for instance in make(language)])
    scores = {name: score(load(hard=hard), group_of) for name, (group_of, hard) in ROWS.items()}
    say("| | failures | causes | groups | precision | recall |\n|---|---|---|---|---|---|")
    for name, found in scores.items():
        say(found.row(name))
    for name, found in scores.items():
        say(f"\n{name}: the worst causes")
        for cause, count in found.scattered[:MOST_SHOWN]:
            say(f"  {count} groups: {cause}")
        for causes in found.shared[:MOST_SHOWN]:
            say(f"  one group: {'; '.join(causes)}")
        if not found.scattered and not found.shared:
            say("  none: each cause is one group, and each group one cause")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


main()
