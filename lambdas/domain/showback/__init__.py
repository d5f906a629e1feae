"""A month's money by whom it is shown to: tasks, teams, the environment."""
