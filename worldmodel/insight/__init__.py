"""What a trained model has learned, as arrays: pictures are made of them elsewhere."""
