"""PrepareDataset: from the uploaded file to a dataset that can be trusted, before anything is paid."""
