"""An independent oracle of the credit ledger: the rules of credits in plain Python, slow and without cleverness.

It shares no code with `stream/`. `Oracle().apply(record)` takes priced usage and commands in the order of their
booking; timers fire in between, by the records' append times. After every posting it checks its own equations.
"""

from tests.simulation.ledger_oracle.equations import BrokenEquationError, check_chain
from tests.simulation.ledger_oracle.oracle import Answer, Oracle

__all__ = ["Answer", "BrokenEquationError", "Oracle", "check_chain"]
