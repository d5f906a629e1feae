"""The registry table: runs, tasks, resources, approvals."""
