"""From a frame to faces: boxes, embeddings, landmarks, action units."""
