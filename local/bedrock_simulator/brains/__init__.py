"""What the simulated models know: teacher, undistilled student, baseline, judge, and the student that really learns."""
