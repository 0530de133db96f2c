"""A system of a few weights, for tests of the engine: learns to blur."""
