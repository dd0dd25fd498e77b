"""x"""

from tests.chaos.fault import Fault

FAULTS: list[Fault] = []
