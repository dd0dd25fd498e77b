"""Input from elsewhere that means no good: a kept corpus, generated events, and what `make fuzz` runs."""
