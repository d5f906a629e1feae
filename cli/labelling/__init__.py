"""Let a person score blinded answers of student and reference model, in the terminal or on a page."""
