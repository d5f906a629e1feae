"""The state machine: its states, its Lambdas, what triggers it."""
