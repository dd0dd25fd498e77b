"""Says why an account's balance is what it is: its ledger entries, each with where its cause is in Kafka."""
