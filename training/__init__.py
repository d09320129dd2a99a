"""Training of the network on a meta-dataset: batches, the loop, its log, and calibration."""
