"""RollBackChampion: bring a former champion back, by hand or because the present one does badly."""
