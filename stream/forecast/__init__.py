"""Says when accounts run out of credits, from their rows in the changelogs and their charges of the last week."""
