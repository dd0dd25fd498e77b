"""Worked examples of the credit ledger as tables that a finance person can read, for any ledger with an adapter.

Each `.md` file has a table: a story, the steps that happen to one account, and the outcome. `steps` and `outcomes`
know the words; `adapter` says what a ledger must offer to be run against the tables.
"""
