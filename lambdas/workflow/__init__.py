"""What the states and operations share: the frame of a stage, the report, judge calibration, logs."""
