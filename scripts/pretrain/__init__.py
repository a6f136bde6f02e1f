"""Pretraining of the demo's small backbones on pasted glyphs."""
