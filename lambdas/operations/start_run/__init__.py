"""StartRun: one object version becomes one run, however often its event arrives."""
