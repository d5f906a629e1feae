"""What is watched: log groups, dashboard, alarms."""
