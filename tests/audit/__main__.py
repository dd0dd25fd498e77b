"""Asks what is known of the locked dependencies: `make audit`.

Exit code 1 when something was found, 3 when somebody could not be asked; --unasked-is-fine makes that 0, and says so.
"""

import argparse
import sys

from tests.audit.questions import Answer, Verdict, ask_advisories, ask_registry


def main() -> int:
    """Print every answer; the worst decides."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--unasked-is-fine", action="store_true", help="exit with 0 when nobody could be asked")
    unasked_is_fine = parser.parse_args().unasked_is_fine
    answers = []
    for ask in (ask_advisories, ask_registry):
        answers.append(ask())
        print(told(answers[-1]), flush=True)
    return exit_code(answers, unasked_is_fine=unasked_is_fine)


def told(answer: Answer) -> str:
    """An answer in words; what was found or went wrong is told whole."""
    line = f"{answer.question}: {answer.verdict.value}"
    return line if answer.verdict is Verdict.CLEAN else f"{line}\n{answer.text}"


def exit_code(answers: list[Answer], *, unasked_is_fine: bool) -> int:
    """1 when something was found, 3 when somebody could not be asked, unless that is fine."""
    verdicts = {answer.verdict for answer in answers}
    if Verdict.FOUND in verdicts:
        return 1
    return 3 if Verdict.AWAY in verdicts and not unasked_is_fine else 0


if __name__ == "__main__":
    sys.exit(main())
