"""CollectTeacherData: from the teacher's answers to the training file and the references."""
