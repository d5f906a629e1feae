"""RecordLabels: keeps people's scores of a run's answers, and has the gate decide anew."""
