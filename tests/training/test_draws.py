"""Draws depend on seed and step alone."""

import numpy as np
import torch

from a2pipe.training.draws import drawing, permutation, samples_of_step, seed_of


def test_seeds_differ_by_any_part():
    seeds = {seed_of("a", 0, 1), seed_of("a", 1, 0), seed_of("b", 0, 1), seed_of("a", 0, 2)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_an_epoch_takes_each_sample_once_across_steps():
    drawn = np.concatenate([samples_of_step(step, 4, 10, 0) for step in range(5)])
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10].tolist() == permutation(10, 0, 0).tolist()
    assert drawn[:10].tolist() != drawn[10:].tolist()


def test_a_batch_may_be_larger_than_an_epoch():
    assert np.bincount(samples_of_step(0, 7, 3, 0)).tolist() in ([2, 2, 3], [2, 3, 2], [3, 2, 2])


def test_the_global_generator_goes_on_as_if_nothing_was_drawn():
    before = torch.random.get_rng_state()
    with drawing("step", 0, 1):
        first = torch.rand(2)
    with drawing("step", 0, 1):
        assert torch.equal(torch.rand(2), first)
    assert torch.equal(torch.random.get_rng_state(), before)
