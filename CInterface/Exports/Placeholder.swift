import CNNLens
