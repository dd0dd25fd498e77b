"""Says what recorded usage would have cost by another rate card, before it is published."""
