"""RunTeacherBatch: the teacher answers by batch inference what no run has paid for."""
